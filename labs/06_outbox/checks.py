"""What is checked in lab 06, the outbox, and the hints."""

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import InvalidStateError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

import psycopg
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from streamgym.checks import (
    Case,
    Choice,
    Expectations,
    Function,
    Worker,
    databases,
    exercise,
    expect,
    logs,
    topics,
)
from streamgym.checks.answers import Raised, Run, Ungradable
from streamgym.checks.crashes import survives
from streamgym.checks.expect import Observation
from streamgym.data import shop
from streamgym.faults.actions import Hold, KillBefore, Rule
from streamgym.faults.process import Process, finish
from streamgym.faults.proxy import Proxy
from streamgym.faults.sweep import Trial

Rows = list[dict[str, Any]]

ORDERS = """
CREATE TABLE orders (id bigint PRIMARY KEY, customer text NOT NULL, amount bigint NOT NULL);
"""
OUTBOX = """
CREATE TABLE outbox (
    id bigserial PRIMARY KEY,
    aggregate text NOT NULL,
    type text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz
);
"""
INBOX = """
CREATE TABLE inbox (event bigint PRIMARY KEY, handled_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE bookings (customer text NOT NULL, order_id bigint NOT NULL, points bigint NOT NULL);
"""

APART = """
CREATE TABLE apart (number text);
CREATE FUNCTION without_event() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO apart SELECT NEW.id::text
        WHERE NOT EXISTS (SELECT FROM outbox WHERE aggregate = NEW.id::text);
    RETURN NULL;
END $$;
CREATE FUNCTION without_order() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO apart SELECT NEW.aggregate
        WHERE NOT EXISTS (SELECT FROM orders WHERE id::text = NEW.aggregate);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER a AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION without_event();
CREATE CONSTRAINT TRIGGER b AFTER INSERT ON outbox DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION without_order();
"""
"""Notes at every commit which orders have no event, and which events have no order."""

STEPS = ["OrderPlaced", "OrderPaid", "OrderPacked", "OrderShipped", "OrderDelivered"]
SECONDS = 60.0
SECONDS_FOR_SQL = 15


def ask(url: str, query: Any, values: Any = ()) -> Rows | Raised:
    """Return what a learner's query gives, or why it gives nothing."""
    return _tried(query, lambda: databases.rows(url, query, values, SECONDS_FOR_SQL))


def tell(url: str, statement: Any) -> Raised | None:
    """Run a learner's statement; return why it could not be run, if so."""
    return _tried(statement, lambda: databases.run(url, statement, [()], SECONDS_FOR_SQL))


def _tried(query: Any, do: Callable[[], Any]) -> Any:
    if not isinstance(query, str):
        return query if isinstance(query, Raised) else Raised(f"{query!r} is no text of SQL")
    try:
        return do()
    except (psycopg.Error, UnicodeError) as error:
        return Raised(f"{type(error).__name__}: {str(error).splitlines()[0]}")


def complains(seen: Observation, error: str, hint: int) -> Observation:
    """Give an observation another hint when its evidence names this error."""
    named = seen.evidence is not None and error in seen.evidence.given
    return replace(seen, hints=frozenset([hint])) if named and not seen.passed else seen


# %% place_orders

SAVED = "every order is saved"
SILENT = "no order without its event"
PHANTOM = "no event without its order"
ONCE = "one event for each order"
WHOLE = "the event carries the order"


@exercise(
    title="An order and its event in one transaction",
    points=20,
    hints=[
        "The offset says that everything before it is done. Commit it when the orders and events are in the database, not before.",
        "A crash between two transactions leaves the one without the other. Put both rows into one: `with db.transaction():`, and no commit in between.",
        "You publish to Kafka yourself: no transaction spans Kafka and Postgres. Write a row into `outbox` instead, and leave Kafka to the relay.",
        "A command can come twice. `INSERT ... ON CONFLICT DO NOTHING` tells by its `rowcount` whether the order is new; only a new order has an event.",
        "Who reads the event has no access to your tables. Put the whole order into `payload`.",
        "A command can come twice, and `INSERT` refuses an order that is there already. Let it: ON CONFLICT DO NOTHING.",
    ],
)
def place_orders(answer: Worker, case: Case) -> Expectations:
    orders = [order | {"order": str(order["order"])} for order in shop.orders(case.rng, 30)]
    source = case.topic(commands(case.rng, orders), key="customer", partitions=2)
    apart: set[str] = set()

    def prepare() -> Any:
        url, events = case.database(ORDERS + OUTBOX + APART), case.topic()
        env = {
            "KAFKA_BOOTSTRAP_SERVERS": case.world.kafka(),
            "DATABASE_URL": url,
            "INPUT_TOPIC": source,
            "EVENTS_TOPIC": events,
            "GROUP_ID": f"{events}-group",
        }

        def judge() -> dict[str, list[Any]]:
            apart.update(row["number"] for row in databases.rows(url, "SELECT * FROM apart"))
            saved = databases.rows(url, 'SELECT id::text AS "order" FROM orders')
            return judge_events(orders, saved, told(case, url, events))

        return env, judge

    hints = {SAVED: 1, SILENT: parted, PHANTOM: parted, ONCE: repeated, WHOLE: 5}
    for seen in survives(answer, case, prepare, hints):
        yield complains(seen, "UniqueViolation", hint=6)
    yield expect(
        "an order and its event are committed together",
        sorted(apart),
        equals=[],
        given="orders whose event came with another commit, earlier or later, or not at all",
        hint=2,
    )


def commands(rng: random.Random, orders: Rows) -> Rows:
    """Repeat some orders, at once or later; the numbers are whole numbers again."""
    found = list(orders)
    for order in rng.sample(orders, 6):
        found.insert(rng.randint(found.index(order) + 1, len(found)), order)
    return [order | {"order": int(order["order"])} for order in found]


def told(case: Case, url: str, topic: str) -> Rows:
    """Return the events that the world hears of: those in the outbox, and those in the topic."""
    query = 'SELECT aggregate AS "order", payload FROM outbox ORDER BY id'
    published = [{"order": str(e.get("order")), "payload": e} for e in case.read(topic)]
    return databases.rows(url, query) + published


def judge_events(orders: Rows, saved: Rows, events: Rows) -> dict[str, list[Any]]:
    due = {order["order"]: order for order in orders}
    return {
        SAVED: logs.lost(orders, saved, "order"),
        SILENT: logs.lost(saved, events, "order"),
        PHANTOM: logs.phantom(saved, events, "order"),
        ONCE: logs.duplicated(events, "order"),
        WHOLE: [e["order"] for e in events if not carries(e["payload"], due.get(e["order"], {}))],
    }


def carries(payload: Any, order: dict[str, Any]) -> bool:
    return isinstance(payload, dict) and all(
        str(payload.get(name)) == str(order.get(name)) for name in ("order", "customer", "amount")
    )


def parted(trial: Trial) -> int:
    return 3 if any(event.kind == "Produce" for event in trial.trace.events) else 2


def repeated(trial: Trial) -> int:
    return parted(trial) if trial.point or parted(trial) == 3 else 4


# %% publish_plan

FIRST = "the rows that were written first are taken"
WITHIN = "an aggregate's events keep their order"
KEYED = "the key is the aggregate"


@exercise(
    title="Which event goes first, and with which key",
    points=10,
    hints=[
        "Sort by the number that the outbox gave the row, then take the first `batch`.",
        "Clocks tie, and clocks of several machines disagree. The sequence number does not.",
        "Sort first, then cut off the batch: what the database happens to give first need not be the oldest.",
        "Do not gather an aggregate's events before you cut: one busy aggregate would make all the others wait.",
        "Oldest first: the smallest number goes first.",
        "The key chooses the partition, and order holds within a partition only. Every event of an aggregate needs the same key: the aggregate.",
    ],
)
def publish_plan(answer: Function, case: Case) -> Expectations:
    calls = [(unsent_rows(case.rng), batch) for batch in (4, 6, 10, 100, 100, 8)]
    for (rows, batch), plan in zip(calls, answer.map(calls), strict=False):
        numbers, keys = columns(plan)
        given = {"batch": batch, "rows": rows}
        due = by_number(rows)[:batch]
        yield expect(
            FIRST,
            sorted(numbers) if numbers is not None else plan,
            equals=[row["id"] for row in due],
            given=given,
            mistakes={
                2: lambda rows=rows, batch=batch: taken(by_clock(rows)[:batch]),
                3: lambda rows=rows, batch=batch: taken(rows[:batch]),
                4: lambda rows=rows, batch=batch: taken(by_aggregate(rows)[:batch]),
                5: lambda rows=rows, batch=batch: taken(by_number(rows)[::-1][:batch]),
            },
        )
        chosen = [row for row in rows if numbers is None or row["id"] in numbers]
        yield expect(
            WITHIN,
            grouped(numbers, rows) if numbers is not None else plan,
            equals=grouped([row["id"] for row in by_number(chosen)], rows),
            given=given,
            mistakes={
                2: grouped([row["id"] for row in by_clock(chosen)], rows),
                3: grouped([row["id"] for row in chosen], rows),
                5: grouped([row["id"] for row in by_number(chosen)[::-1]], rows),
            },
        )
        aggregates = {row["id"]: row["aggregate"] for row in rows}
        yield expect(
            KEYED,
            keys if numbers is not None else plan,
            equals=[aggregates.get(number) for number in numbers or [0]],
            given=given,
            hint=6,
        )


def unsent_rows(rng: random.Random) -> Rows:
    """Rows in no order, with numbers that have gaps and clocks that tie or are wrong."""
    numbers = sorted(rng.sample(range(100, 400), 14))
    began = datetime(2026, 3, 1, 9, tzinfo=UTC)
    aggregates = [str(number) for number in rng.sample(range(4000, 5000), 3)]
    step = dict.fromkeys(aggregates, 0)
    rows = []
    for place, number in enumerate(numbers):
        aggregate = rng.choice(aggregates)
        clock = began + timedelta(seconds=10 * ((place * 5 + rng.choice([-40, 0, 40])) // 10))
        kind = STEPS[step[aggregate] % len(STEPS)]
        step[aggregate] += 1
        rows.append({"id": number, "aggregate": aggregate, "type": kind, "created_at": clock})
    return rng.sample(rows, len(rows))


def columns(plan: Any) -> tuple[list[int] | None, list[Any]]:
    """Return the numbers and the keys of a plan; None for what is no list of pairs."""
    is_plan = isinstance(plan, list) and all(
        isinstance(pair, list) and len(pair) == 2 and type(pair[0]) is int for pair in plan
    )
    return ([pair[0] for pair in plan], [pair[1] for pair in plan]) if is_plan else (None, [])


def by_number(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: row["id"])


def by_clock(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: row["created_at"])


def by_aggregate(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: (row["aggregate"], row["id"]))


def taken(rows: Rows) -> list[int]:
    return sorted(row["id"] for row in rows)


def grouped(numbers: Sequence[int], rows: Rows) -> dict[str, list[int]]:
    """Return numbers by aggregate, in the order given."""
    aggregates = {row["id"]: row["aggregate"] for row in rows}
    found: dict[str, list[int]] = {}
    for number in numbers:
        found.setdefault(aggregates.get(number, "no such row"), []).append(number)
    return found


# %% relay

PUBLISHED = "every event is published"
AGAIN = "at most one batch is published twice"
KEY = "every event has its aggregate as its key"
ORDER = "an aggregate's events come in order"
MARKED = "every row is marked as sent"
LEFT_ALONE = "what was sent before is not sent again"


@exercise(
    title="The relay: at least once, in order",
    points=25,
    hints=[
        "Take only rows whose `sent_at` is NULL.",
        "A row was marked as sent, and Kafka did not have its event. `send` only puts it into a buffer: send, flush (which waits for Kafka's answer), and mark only then.",
        "Order holds within a partition, and the key chooses the partition. Send with the aggregate as the key.",
        "A table has no order of its own. Say ORDER BY, by the sequence number: clocks tie and disagree.",
        "Take at most BATCH rows, send and mark these, and take the next. What is sent and not yet marked is sent again after a crash.",
        "The marks are gone when the program ends: was their transaction committed?",
        "Mark every row that was sent, not only one of the batch.",
    ],
)
def relay(answer: Worker, case: Case) -> Expectations:
    events = outbox_events(case.rng, 45)
    old = outbox_events(case.rng, 6, first=900)
    batch = case.rng.choice([8, 9, 10])
    runs = count()

    def prepare() -> Any:
        url, topic = filled(case, events, old), case.topic(partitions=2)
        allowed = batch if next(runs) else 0  # the first run is not disturbed
        env = relay_env(case, url, topic, batch)
        return env, lambda: judge_relay(case, url, topic, events, allowed)

    hints = {LEFT_ALONE: 1, PUBLISHED: 2, KEY: 3, ORDER: 4, AGAIN: again, MARKED: 6}
    yield from survives(answer, case, prepare, hints)


def again(trial: Trial) -> int:
    return 5 if trial.point else 7


def outbox_events(rng: random.Random, number: int, first: int = 1000) -> Rows:
    """Draw events of a few orders, in the order in which they were written; clocks disagree."""
    aggregates = [
        str(n) for n in rng.sample(range(first * 4, first * 4 + 900), max(2, number // 5))
    ]
    step = dict.fromkeys(aggregates, 0)
    found = []
    for place in range(number):
        aggregate = aggregates[place] if place < len(aggregates) else rng.choice(aggregates)
        kind = STEPS[step[aggregate] % len(STEPS)]
        step[aggregate] += 1
        ago = 3600 - 60 * place + rng.choice([0, 600, 1200])
        found.append({"event": first + place, "aggregate": aggregate, "type": kind, "ago": ago})
    return found


def filled(case: Case, events: Rows, sent: Rows = ()) -> str:
    """Make a database whose outbox holds these; its rows lie on disk in another order."""
    url = case.database(OUTBOX)
    statement = """INSERT INTO outbox (id, aggregate, type, payload, created_at, sent_at)
        VALUES (%s, %s, %s, %s, now() - make_interval(secs => %s), now() - make_interval(secs => %s))"""
    rows = [(*row_of(event), None) for event in scattered(events)]
    databases.run(url, statement, rows + [(*row_of(event), 60) for event in sent])
    return url


def scattered(events: Rows) -> Rows:
    """Return events in an order in which those of an aggregate are out of order."""
    return random.Random(len(events)).sample(events, len(events))


def row_of(event: dict[str, Any]) -> tuple[Any, ...]:
    payload = json.dumps({"order": event["aggregate"], "step": event["type"]})
    return event["event"], event["aggregate"], event["type"], payload, event["ago"]


def relay_env(case: Case, url: str, topic: str, batch: int) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": case.world.kafka(),
        "DATABASE_URL": url,
        "OUTPUT_TOPIC": topic,
        "BATCH": str(batch),
    }


def judge_relay(
    case: Case, url: str, topic: str, events: Rows, allowed: int
) -> dict[str, list[Any]]:
    records = topics.records(case.world.kafka(), topic)
    got = [r.value for r in records if isinstance(r.value, dict)]
    aggregates = {event["event"]: event["aggregate"] for event in events}
    keys = {r.value.get("event"): r.key for r in records if isinstance(r.value, dict)}
    twice = logs.duplicated(got, "event")
    thrice = logs.reprocessed(got, "event", at_most=2)
    return {
        LEFT_ALONE: logs.phantom(events, got, "event"),
        PUBLISHED: logs.lost(events, got, "event"),
        KEY: [n for n, key in keys.items() if key != aggregates.get(n, key)],
        ORDER: logs.reordered(events, got, "event", "aggregate"),
        AGAIN: twice if len(twice) > allowed or thrice else [],
        MARKED: unsent(url),
    }


def unsent(url: str) -> list[int]:
    query = "SELECT id FROM outbox WHERE sent_at IS NULL ORDER BY id"
    return [row["id"] for row in databases.rows(url, query)]


# %% two_relays

WAITS_FOR_ANOTHER = """
SELECT FROM pg_stat_activity AS one
JOIN pg_stat_activity AS other ON other.pid = ANY(pg_blocking_pids(one.pid))
WHERE one.datname = current_database() AND one.wait_event_type = 'Lock' AND other.state <> 'active'
"""
"""Who waits for a lock of a session that does nothing: of the relay that is held."""

SESSIONS = """
SELECT FROM pg_stat_activity WHERE datname = current_database()
    AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


@exercise(
    title="Two relays on one outbox",
    points=20,
    hints=[
        "Both took the same rows. Lock what you take: SELECT ... FOR UPDATE SKIP LOCKED. A lock lives as long as its transaction: take, send and mark within one, `with db.transaction():`.",
        "FOR UPDATE alone waits for whoever has the rows. Add SKIP LOCKED.",
        "What was marked before it was sent is lost when its relay dies. Send, flush, and mark only then; the lock keeps the others away meanwhile.",
        "The second found nothing to do although rows were free. Lock only BATCH rows, not all of them, and not the whole work; and go on until nothing is left to take.",
        "A lock that another holds is no error: NOWAIT raises one, SKIP LOCKED goes on.",
    ],
)
def two_relays(answer: Worker, case: Case) -> Expectations:
    events = outbox_events(case.rng, 40)
    batch = case.rng.choice([6, 8, 10])
    side_by_side = pair(answer, case, events, batch, dies=False)
    yield expect(
        "both end in order",
        side_by_side.codes,
        equals=[0] * len(side_by_side.codes),
        given=side_by_side.errors,
        hint=5,
    )
    if not side_by_side.held:
        yield expect("every event is published", "the relay sent nothing", equals="sent", hint=4)
        return
    yield expect(
        "nothing is published twice",
        logs.duplicated(side_by_side.got, "event"),
        equals=[],
        given="both ran; the first was held while it sent its first batch",
        hint=1,
    )
    yield expect(
        "the second does not wait for the first",
        side_by_side.waits,
        equals=False,
        given="the second was seen waiting for a lock of the first, which was held",
        hint=2,
    )
    yield expect(
        "the second sends all that the first does not hold",
        len(side_by_side.left) <= batch,
        equals=True,
        given={"batch": batch, "unsent when the second had ended": side_by_side.left},
        hint=2 if side_by_side.waits else 4,
    )
    both = published(events, side_by_side, "both ran to their ends", hint=4)
    yield both
    if both.passed and not side_by_side.waits:
        killed = pair(answer, case, events, batch, dies=True)
        where = "the first was killed while it sent its first batch, and a third came after it"
        yield published(events, killed, where, hint=3)


@dataclass
class Pair:
    """What came of two relays: was the first held, what the second did, and how it all ended."""

    held: bool = False
    waits: bool = False
    left: list[int] = field(default_factory=list)
    got: Rows = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    @property
    def codes(self) -> list[int]:
        return [run.returncode for run in self.runs]

    @property
    def errors(self) -> list[str]:
        return [run.errors.splitlines()[-1] for run in self.runs if run.returncode and run.errors]


def published(events: Rows, found: Pair, where: str, hint: int) -> Any:
    lost = logs.lost(events, found.got, "event")
    return expect("every event is published", lost, equals=[], given=where, hint=hint)


def pair(answer: Worker, case: Case, events: Rows, batch: int, *, dies: bool) -> Pair:
    """Hold a relay at its first Produce, let a second work, and let the first go on, or die."""
    url, topic = filled(case, events), case.topic(partitions=2)
    env, found = relay_env(case, url, topic, batch), Pair()
    with ExitStack() as stack:
        here = [stack.enter_context(answer.workspace()) for _ in range(3)]
        proxy = stack.enter_context(Proxy())
        first: list[Process] = []
        held = stack.enter_context(holding(proxy, dies, lambda: first[0].kill()))
        first.append(here[0].start(proxy.environment(env, "first")))
        found.held = reaches(held.reached, first[0])
        if not found.held:
            found.runs = [finish(first[0], SECONDS)]
            return found
        second = here[1].start(proxy.environment(env, "second"))
        watch(url, second, found)
        held.go()
        if dies:
            held.rule.done.wait(SECONDS)
            until(lambda: not databases.rows(url, SESSIONS), "the dead relay's session did not end")
            first = [here[2].start(proxy.environment(env, "third"))]
        found.runs = [finish(process, SECONDS) for process in (*first, second)]
    found.got = case.read(topic)
    return found


@dataclass(frozen=True)
class Held:
    """A relay that is held: ``reached`` is set when it is, and ``go`` ends it."""

    rule: Rule
    reached: threading.Event
    go: Callable[[], None]


@contextmanager
def holding(proxy: Proxy, dies: bool, kill: Callable[[], None]) -> Iterator[Held]:
    """Hold the first relay at its first Produce, at the latest until the block is left."""
    reached, gone = threading.Event(), threading.Event()
    hold = Hold(reached)

    def die() -> None:
        reached.set()
        gone.wait(SECONDS * 2)
        kill()

    def go() -> None:
        gone.set()
        with suppress(InvalidStateError):  # it went before
            hold.release()

    rule = Rule("Produce", KillBefore(die) if dies else hold, 1, lane="first")
    proxy.rules.append(rule)
    try:
        yield Held(rule, reached, go)
    finally:
        go()


def reaches(held: threading.Event, process: Process) -> bool:
    """Wait until a process is held; False when it ended before."""
    until(lambda: held.is_set() or process.wait(0) is not None, "the relay neither sent nor ended")
    return held.is_set()


def watch(url: str, second: Process, found: Pair) -> None:
    """Wait until the second has ended, or waits for the first; note which, and what is left."""

    def decided() -> bool:
        found.waits = bool(databases.rows(url, WAITS_FOR_ANOTHER))
        return found.waits or second.wait(0) is not None

    until(decided, "the second relay neither ended nor waited for the first")
    found.left = unsent(url)


def until(holds: Callable[[], Any], otherwise: str) -> None:
    """Wait for a state.

    Raises:
        Ungradable: it did not come in time.
    """
    waiting = Retrying(
        retry=retry_if_result(lambda held: not held),
        stop=stop_after_delay(SECONDS),
        wait=wait_fixed(0.02),
    )
    try:
        waiting(holds)
    except RetryError:
        raise Ungradable(f"{otherwise} in {SECONDS:.0f} s") from None


# %% my_share


@exercise(
    title="Every aggregate has its relay",
    points=10,
    hints=[
        "Hash the aggregate, take the remainder by the number of relays, and compare it with this relay's number.",
        "Half of all hashes are negative, and so is then the remainder: no relay has a negative number. Use abs() of it.",
        "All events of an aggregate must go to one relay: hash the aggregate, neither the row's number nor its type.",
        "Every relay gets the rows of all the others too: compare with %(relay)s.",
        "Say ORDER BY id: a table has no order of its own.",
        "First choose the rows of this relay, then cut off the batch.",
        "psycopg reads a bare % as the begin of a name to fill in: use mod(a, b).",
        "Rows that were sent are not to be sent again: sent_at IS NULL.",
    ],
)
def my_share(answer: Choice, case: Case) -> Expectations:
    events, old = outbox_events(case.rng, 90), outbox_events(case.rng, 6, first=900)
    due, relays = [event["event"] for event in events], case.rng.choice([2, 3])
    url = filled(case, events, old)
    share = partial(shares_of, url, answer.value, relays)
    whole = share(1000)
    given = {"relays": relays, "batch": 1000}
    if isinstance(whole, Raised):
        yield expect("the statement runs", whole, equals="rows with an id", hint=complaint(whole))
        return
    yield expect("the statement runs", "yes", equals="yes")
    everything = [number for numbers in whole for number in numbers]
    yield expect(
        "only unsent rows", sorted(set(everything) - set(due)), equals=[], given=given, hint=8
    )
    yield expect(
        "every unsent row is some relay's",
        sorted(set(due) - set(everything)),
        equals=[],
        given=given,
        hint=2,
    )
    times = Counter(everything)
    yield expect(
        "no row is two relays'",
        sorted(n for n in times if times[n] > 1),
        equals=[],
        given=given,
        hint=4,
    )
    yield expect(
        "all events of an aggregate are one relay's",
        split(whole, events),
        equals=[],
        given=given,
        hint=3,
    )
    yield from judge_batches(whole, share(7), relays)


def judge_batches(
    whole: list[list[int]], some: list[list[int]] | Raised, relays: int
) -> Expectations:
    for relay_number, numbers in enumerate(whole):
        yield expect(
            "a relay's first rows, oldest first, and no more than the batch",
            some if isinstance(some, Raised) else some[relay_number],
            equals=sorted(numbers)[:7],
            given={"relay": relay_number, "relays": relays, "batch": 7},
            mistakes={5: numbers[:7]},
            hint=6,
        )


def shares_of(url: str, query: Any, relays: int, batch: int) -> list[list[int]] | Raised:
    """Return the ids that each relay gets."""
    found = []
    for number in range(relays):
        rows = ask(url, query, {"relay": number, "relays": relays, "batch": batch})
        if isinstance(rows, Raised):
            return rows
        if not all(type(row.get("id")) is int for row in rows):
            return Raised(f"rows without an id, such as {rows[:1]}")
        found.append([row["id"] for row in rows])
    return found


def complaint(error: Raised) -> int:
    return 7 if "placeholder" in error.error else 1


def split(shares: list[list[int]], events: Rows) -> list[str]:
    """Return aggregates whose events are in more than one relay's share."""
    aggregates = {event["event"]: event["aggregate"] for event in events}
    owners: dict[str, set[int]] = {}
    for number, ids in enumerate(shares):
        for event in ids:
            owners.setdefault(aggregates.get(event, "sent before"), set()).add(number)
    times = Counter(event for ids in shares for event in ids)
    once = {aggregates[e] for e in times if times[e] == 1 and e in aggregates}
    return sorted(name for name, found in owners.items() if len(found) > 1 and name in once)


# %% inbox

BOOKED = "no event is booked twice"
MISSING = "no event is left out"


@exercise(
    title="The inbox: every event has its effect once",
    points=20,
    hints=[
        "Compare the bookings with the events: which event has none, or two?",
        "Events come twice. Insert the event's own number into `inbox` with ON CONFLICT DO NOTHING, and book only when a row went in. An offset is no name: the same event comes again at another offset.",
        "Booked, and killed before the inbox knew: it is booked again. Put the inbox row and the booking into one transaction; what a program remembers in memory is gone after a crash.",
        "An order can have several events. The inbox must know the event, not the order.",
        "The offset says that everything before it is done. Commit it when the bookings are in the database, not before.",
        "In the inbox, and killed before it was booked: it is never booked. Put the inbox row and the booking into one transaction.",
        "An event that came again is no error: ON CONFLICT DO NOTHING.",
    ],
)
def inbox(answer: Worker, case: Case) -> Expectations:
    events = loyalty_events(case.rng)
    source = case.topic(with_repetitions(case.rng, events), key="aggregate", partitions=2)

    def prepare() -> Any:
        url = case.database(INBOX)
        env = {
            "KAFKA_BOOTSTRAP_SERVERS": case.world.kafka(),
            "DATABASE_URL": url,
            "INPUT_TOPIC": source,
            "GROUP_ID": f"{url.rpartition('/')[2]}-group",
        }
        return env, lambda: judge_bookings(url, events)

    hints = {BOOKED: booked_again, MISSING: left_out}
    for seen in survives(answer, case, prepare, hints):
        yield complains(seen, "UniqueViolation", hint=7)


def booked_again(trial: Trial) -> int:
    return 3 if trial.point else 2


def left_out(trial: Trial) -> int:
    if not trial.point:
        return 4
    is_rest_of_poll = len(trial.broken[MISSING]) > 1 or trial.point.kind == "OffsetCommit"
    return 5 if is_rest_of_poll else 6


def loyalty_events(rng: random.Random) -> Rows:
    """Orders that earn points, of which some are cancelled later."""
    placed = [
        {"order": o["order"], "customer": o["customer"], "points": rng.randrange(10, 99)}
        for o in shop.orders(rng, 24)
    ]
    steps = [("OrderPlaced", order) for order in placed]
    for order in rng.sample(placed, 6):
        steps.insert(
            rng.randint(steps.index(("OrderPlaced", order)) + 1, len(steps)),
            ("OrderCancelled", order),
        )
    return [
        {"event": 500 + n, "aggregate": str(order["order"]), "type": kind, "payload": order}
        for n, (kind, order) in enumerate(steps)
    ]


def with_repetitions(rng: random.Random, events: Rows) -> Rows:
    """Repeat one event at once, and a whole batch later, as a relay does that was killed."""
    begin = rng.randrange(0, 10)
    at = rng.randrange(20, 25)
    repeated_batch = events[begin : begin + 8]
    return [*events[:at], events[at - 1], *repeated_batch, *events[at:]]


def judge_bookings(url: str, events: Rows) -> dict[str, list[Any]]:
    query = "SELECT customer, order_id, points FROM bookings"
    names = {booking_of(event): event["event"] for event in events}
    booked = [tuple(row.values()) for row in databases.rows(url, query)]
    log = [{"event": names[row]} for row in booked if row in names]
    return {
        BOOKED: [*logs.duplicated(log, "event"), *(str(row) for row in booked if row not in names)],
        MISSING: logs.lost(events, log, "event"),
    }


def booking_of(event: dict[str, Any]) -> tuple[str, int, int]:
    order = event["payload"]
    sign = 1 if event["type"] == "OrderPlaced" else -1
    return order["customer"], order["order"], sign * order["points"]


# %% clean_up

DAY = 24 * 3600
KEPT = "an unsent row stays, however old"
RECENT = "a row that was sent lately stays"
GONE = "a row that was sent long ago goes"


def clean_up_task(rng: random.Random) -> dict[str, Any]:
    """Return how long this student's shop keeps sent rows."""
    return {"days": rng.randrange(3, 15)}


@exercise(
    title="Clean up, and never lose a promise",
    points=5,
    task=clean_up_task,
    hints=[
        "Compare the rows that are left with those that were sent more than the given days ago.",
        "An unsent row was deleted: its event will never be sent. A row's age alone does not tell whether it was sent.",
        "A row that was sent a moment ago was deleted: nobody can look into what went out today. Mind the days.",
        "An old row that has only just been sent was deleted. The days count from `sent_at`, not from `created_at`.",
        "Rows are deleted that were sent *less* than the given days ago: the comparison is the wrong way round.",
    ],
)
def clean_up(answer: Choice, case: Case) -> Expectations:
    days = clean_up.task_for(answer.student)["days"]
    limit = days * DAY
    hour = 3600
    rows = {
        "unsent, written just now": (hour, None),
        "unsent, written long ago": (limit * 3, None),
        "sent just now, written just now": (2 * hour, hour),
        "sent just now, written long ago": (limit * 3, hour),
        "sent an hour less ago than the limit": (limit - hour // 2, limit - hour),
        "sent an hour longer ago than the limit": (limit + 2 * hour, limit + hour),
        "sent long ago": (limit * 4, limit * 3),
    }
    url = aged(case, rows)
    failed = tell(url, answer.value)
    left = {row["aggregate"] for row in databases.rows(url, "SELECT aggregate FROM outbox")}
    yield expect("the statement runs", failed, equals=None, given=answer.value)
    for name, beginning in (
        (KEPT, "unsent"),
        (RECENT, "sent just now"),
        (RECENT, "sent an hour less"),
    ):
        due = [row for row in rows if row.startswith(beginning)]
        yield expect(
            name,
            [row for row in due if row in left],
            equals=due,
            given=f"rows that must be left; the limit is {days} days",
            hint=2 if name == KEPT else suspicion(left),
        )
    yield expect(
        GONE,
        sorted(row for row in left if row in list(rows)[-2:]),
        equals=[],
        given=f"rows that are still there; the limit is {days} days",
        hint=5 if "sent just now, written just now" not in left else 1,
    )


def suspicion(left: set[str]) -> int:
    if "sent just now, written just now" in left:
        return 4
    return 5 if "sent long ago" in left else 3


def aged(case: Case, rows: dict[str, tuple[float, float | None]]) -> str:
    """Make a database whose outbox has these rows: how long ago they were written, and sent."""
    url = case.database(OUTBOX)
    statement = """INSERT INTO outbox (aggregate, type, payload, created_at, sent_at)
        VALUES (%s, 'OrderPlaced', '{}', now() - make_interval(secs => %s),
                now() - make_interval(secs => %s))"""
    names = case.rng.sample(list(rows), len(rows))
    databases.run(url, statement, [(name, *rows[name]) for name in names])
    return url


# %% lag

COUNT = "the number of unsent rows"
AGE = "the age of the oldest unsent row, in seconds"
CALM = "when nothing waits, both are 0"


@exercise(
    title="Is the relay keeping up?",
    points=10,
    hints=[
        "One row with two columns, `waiting` and `seconds`: count the unsent rows, and take now() minus the smallest created_at.",
        "Count unsent rows only: `sent_at IS NULL`.",
        "The newest row always looks young. The one that waits longest is the oldest: min(created_at).",
        "The time since the last row was sent says nothing: in a quiet night it grows, and nothing is wrong.",
        "The oldest row of all was sent long ago. Look at the unsent ones only.",
        "min() of no rows is NULL, and an alarm does not compare with NULL: coalesce(..., 0).",
    ],
)
def lag(answer: Choice, case: Case) -> Expectations:
    rng = case.rng
    sent = {f"sent {n}": (9000.0 + rng.randrange(5000), 5000.0 + 100 * n) for n in range(6)}
    waiting = {
        f"waits {n}": (400.0 * (n + 1) + rng.randrange(200), None) for n in range(rng.randint(4, 9))
    }
    ages = [age for age, _ in waiting.values()]
    busy, calm = aged(case, {**sent, **waiting}), aged(case, sent)
    found = measured(busy, answer.value)
    given = {
        "seconds since they were written": {"unsent": ages, "sent": [a for a, _ in sent.values()]}
    }
    yield expect(
        COUNT,
        found if isinstance(found, Raised) else found["waiting"],
        equals=len(waiting),
        given=given,
        mistakes={2: len(sent) + len(waiting)},
        hint=2 if isinstance(found, dict) and found["waiting"] == len(sent) else 1,
    )
    yield expect(
        AGE,
        found if isinstance(found, Raised) else found["seconds"],
        equals=max(ages),
        given=given,
        within=60,
        mistakes={3: min(ages), 4: 5000, 5: max(age for age, _ in sent.values())},
    )
    yield from judge_calm(measured(calm, answer.value))


def judge_calm(found: dict[str, Any] | Raised) -> Expectations:
    yield expect(
        CALM,
        found,
        equals={"waiting": 0, "seconds": 0},
        given="every row is sent, the last one 5000 s ago",
        within=0.001,
        hint=6 if isinstance(found, dict) and found["seconds"] is None else 5,
    )


def measured(url: str, query: Any) -> dict[str, Any] | Raised:
    """Return the two numbers that a query gives; an interval counts as its seconds."""
    rows = ask(url, query)
    if isinstance(rows, Raised):
        return rows
    if len(rows) != 1 or not {"waiting", "seconds"} <= rows[0].keys():
        return Raised(f"not one row with waiting and seconds but {rows[:2]}")
    return {name: plain(rows[0][name]) for name in ("waiting", "seconds")}


def plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return float(value) if hasattr(value, "is_finite") and value.is_finite() else value
