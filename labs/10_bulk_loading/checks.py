"""What is checked in lab 10, bulk loading, and the hints."""

import json
import random
import time
import zlib
from collections import Counter
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import psycopg
from confluent_kafka import Consumer, TopicPartition

from streamgym.checks import Case, Choice, Expectations, Worker, databases, exercise, expect, logs
from streamgym.checks.answers import Ungradable
from streamgym.checks.crashes import survives
from streamgym.data.ekart import Ekart
from streamgym.data.ekart_events import events
from streamgym.faults.proxy import Proxy
from streamgym.faults.sweep import Stage, Trial, run_once
from streamgym.faults.trace import Trace

Rows = list[dict[str, Any]]
OrderRows = Sequence[tuple[int, int, Decimal, str]]

ORDERS = """
CREATE TABLE orders (
    id bigint PRIMARY KEY, seller_id bigint NOT NULL,
    amount numeric(12, 2) NOT NULL CHECK (amount > 0), status text NOT NULL);
"""
LEDGER = """
CREATE TABLE ledger (order_id bigint NOT NULL, seller_id bigint NOT NULL,
    amount numeric(12, 2) NOT NULL);
CREATE TABLE batches (number integer PRIMARY KEY, lines integer NOT NULL, total numeric NOT NULL);
"""
SHOP = """
CREATE TABLE sellers (id bigint PRIMARY KEY);
INSERT INTO sellers SELECT generate_series(1, 20);
CREATE TABLE orders (
    id bigint PRIMARY KEY, seller_id bigint NOT NULL REFERENCES sellers,
    quantity integer NOT NULL CHECK (quantity > 0), amount numeric(12, 2) NOT NULL);
CREATE TABLE rejected (line integer PRIMARY KEY, reason text NOT NULL CHECK (reason <> ''));
"""

ENDS = "the worker ends in order"
EACH = "every order is there, once, to the cent"
SHOWN = 350
SECONDS = 20.0


def shop_env(case: Case, scale: float) -> tuple[Ekart, dict[str, str]]:
    """Draw a shop, and what tells a worker to make the same one."""
    seed = case.rng.randrange(10**9)
    return Ekart(seed, scale), {"SEED": str(seed), "SCALE": str(scale)}


def ended(trial: Trial) -> Any:
    errors = trial.run.errors[-SHOWN:]
    return expect(ENDS, trial.run.returncode, equals=0, given=errors)


def each_once(url: str, due: OrderRows) -> Any:
    """Expect the orders of a table to be these."""
    query = "SELECT id, seller_id, amount::text, status FROM orders"
    got = Counter(tuple(row.values()) for row in databases.rows(url, query))
    wanted = Counter((number, seller, str(amount), how) for number, seller, amount, how in due)
    difference = {
        "missing": sorted((wanted - got).elements())[:4],
        "too much": sorted((got - wanted).elements())[:4],
    }
    found = {what: rows for what, rows in difference.items() if rows}
    return expect(EACH, found, equals={}, given=f"{len(due)} orders to load", hint=5)


# %% batch_size


def network(rng: random.Random) -> dict[str, Any]:
    """Draw times for which the size is no whole number, so that rounding matters."""
    while True:
        wait, row, percent = (
            rng.randrange(300, 3000),
            rng.randrange(11, 40),
            rng.choice([5, 10, 20]),
        )
        if wait * (100 - percent) % (percent * row):
            return {"round_trip_us": wait, "row_us": row, "percent": percent}


def smallest_batch(round_trip: int, row: int, percent: int) -> int:
    """Return the smallest n with ``round_trip <= percent/100 * (round_trip + n * row)``."""
    return -(-round_trip * (100 - percent) // (percent * row))


@exercise(
    title="How large must a batch be?",
    points=10,
    hints=[
        "A batch of n rows takes round_trip_us + n * row_us. Which share of that is the round trip?",
        "The share is of the whole time of a batch, not of the time of its rows: round_trip / (round_trip + n * row).",
        "A larger batch costs memory, and more work is lost when it fails. The smallest that is large enough, please.",
        "Round up: one row fewer, and the round trip takes more than its share.",
    ],
    task=network,
)
def batch_size(answer: Choice, case: Case) -> Expectations:
    task = batch_size.task_for(answer.student)
    wait, row, percent = task.values()
    due = smallest_batch(wait, row, percent)
    value = answer.value
    more = isinstance(value, int) and value > due
    yield expect(
        "the smallest batch that is large enough",
        value,
        equals=due,
        given=task,
        mistakes={
            2: -(-wait * 100 // (percent * row)),
            4: wait * (100 - percent) // (percent * row),
        },
        hint=3 if more else 1,
    )


# %% in_batches

COMMITS = "one commit a batch"
TRIPS = "a batch is one statement's wait, not one for each row"


@exercise(
    title="A batch, not a row, at a time",
    points=15,
    hints=[
        "Cut the rows into slices of BATCH. For each slice: open a transaction, hand the whole slice to `executemany`, done.",
        "Every row was committed by itself. Open a transaction for each batch: `with db.transaction():`.",
        "Every row still waits for its own answer. `executemany` with one row is no batch: give it all the rows of the batch in one call, or put many rows into one INSERT.",
        "All in one transaction means that one error in the last row throws hours of work away. Commit each batch.",
        "Compare the rows: is the last batch, which is not full, loaded too?",
    ],
)
def in_batches(answer: Worker, case: Case) -> Expectations:
    shop, env = shop_env(case, 0.3)
    batch = case.rng.choice([43, 47, 52])
    url = case.database(ORDERS)
    env |= {"DATABASE_URL": url, "BATCH": str(batch)}
    trial = run_once(answer.workspace, Stage(env))
    due = -(-shop.orders // batch)
    yield ended(trial)
    yield each_once(url, shop.order_rows())
    commits = len(trial.trace.durable())
    given = f"{shop.orders} orders in batches of {batch}"
    yield expect(COMMITS, commits, equals=due, given=given, hint=2 if commits > due else 4)
    trips = Counter(e.kind for e in trial.trace.events if e.kind not in ("BEGIN", "COMMIT"))
    most = 3 * due
    shown = dict(trips) if trips.total() > most else f"at most {most}"
    yield expect(TRIPS, shown, equals=f"at most {most}", given=given, hint=3)


# %% copy_load

FAST = "at most 4 times as long as a plain COPY"
MOST, HOPELESS, TRIES = 4.0, 16.0, 3


@exercise(
    title="As fast as Postgres can take it",
    points=15,
    hints=[
        '`with db.cursor().copy("COPY orders FROM STDIN") as copy:` and `copy.write_row(row)` for each row inside.',
        "Look at the trace: does every row wait for an answer of its own? With COPY, rows follow each other without any answer.",
        "`executemany` sends the rows together, but Postgres still runs a statement for each of them. COPY is one statement for all.",
        "COPY is one statement: begin it once, outside of the loop over the rows.",
        "COPY adds rows; it does not replace any. Is every order written, and only once?",
    ],
)
def copy_load(answer: Worker, case: Case) -> Expectations:
    shop, env = shop_env(case, 3)
    due = shop.order_rows()
    ratios: list[float] = []
    while True:
        url = case.database(ORDERS)
        floor = plain_copy(case, due)
        trial = run_once(answer.workspace, Stage(env | {"DATABASE_URL": url}))
        ratios.append(took(trial.trace) / floor)
        wrong = trial.run.returncode or ratios[-1] > HOPELESS
        if wrong or ratios[-1] <= MOST or len(ratios) == TRIES:
            break
    yield ended(trial)
    yield each_once(url, due)
    best = min(ratios)
    shown = f"{best:.1f} times as long" if best > MOST else FAST
    given = f"{len(due)} orders; the best of {len(ratios)}; {requests(trial.trace)}"
    yield expect(FAST, shown, equals=FAST, given=given, hint=slow(trial.trace, len(due)))


def plain_copy(case: Case, rows: OrderRows) -> float:
    """Return the seconds of a COPY of these rows, through a proxy as the worker's."""
    url = case.database(ORDERS)
    with Proxy() as proxy:
        with psycopg.connect(proxy.address(url), autocommit=True) as db:
            with db.cursor().copy("COPY orders FROM STDIN") as floor:
                for row in rows:
                    floor.write_row(row)
            db.execute("SELECT 1")  # the proxy has seen the answer to all before
        return took(proxy.trace)


def took(trace: Trace) -> float:
    """Return the seconds from the first statement that writes to the last answer."""
    writing = [e for e in trace.events if e.kind not in ("SELECT", "SET", "SHOW")]
    if not writing:
        return 0.0
    return max(max(e.answered, e.seconds) for e in writing) - writing[0].seconds


def requests(trace: Trace) -> str:
    counted = Counter(event.kind for event in trace.events)
    return ", ".join(f"{number} {kind}" for kind, number in counted.items())


def slow(trace: Trace, rows: int) -> int:
    kinds = Counter(event.kind for event in trace.events)
    if kinds["COPY"] > rows / 10:
        return 4
    return 2 if kinds.total() > rows / 10 else 3


# %% load_once

LOST, TWICE = "no line is lost", "no line is there twice"
MARKED = "a batch's mark says what is there"
EXACT = "every amount and every total is exact"


@exercise(
    title="A load that can be killed, and repeated",
    points=25,
    hints=[
        "Read the marks first, and leave out the batches that have one.",
        "A batch was marked and its lines were not there: it was marked before it was loaded, in a transaction of its own. After a crash nobody loads it any more.",
        "Half a load: some lines were there for good before the batch was whole. Put all lines of a batch and its mark into one transaction: `with db.transaction():`.",
        "The batch was loaded, and its mark was not there yet: the repeat loaded it again. Lines and mark belong into one transaction.",
        "A batch that has its mark was loaded again. Read the table `batches` before you begin.",
        "The number of lines in the mark is that of the batch.",
        'Money is never a float, and half a cent goes up: 0.9 * 849.95 is 764.955 and becomes 764.96, but `round` of a float gives 764.95, and `round` of a Decimal rounds halves to the even digit. Let Decimal do it: `.quantize(Decimal("0.01"), ROUND_HALF_UP)`.',
        "The ledger was emptied to start afresh: what an earlier run had loaded is marked, and gone. Go on where it stopped.",
    ],
)
def load_once(answer: Worker, case: Case) -> Expectations:
    shop, env = shop_env(case, 0.5)
    batch = case.rng.choice([38, 41, 44])
    lines = [(row[0], row[1], payout(row[2])) for row in shop.order_rows() if row[3] == "completed"]
    batches = [lines[low : low + batch] for low in range(0, len(lines), batch)]

    def prepare() -> Any:
        url = case.database(LEDGER)
        loaded_before(url, batches[0])
        return (
            env | {"DATABASE_URL": url, "BATCH": str(batch)},
            lambda: judge_ledger(url, batches),
        )

    hints = {LOST: gone, TWICE: doubled, MARKED: 6, EXACT: 7}
    yield from survives(answer, case, prepare, hints)


def payout(amount: Decimal) -> Decimal:
    return (amount * 9 / 10).quantize(Decimal("0.01"), ROUND_HALF_UP)


def loaded_before(url: str, first: Sequence[tuple[int, int, Decimal]]) -> None:
    """Load the first batch, as an earlier run has done."""
    mark = (0, len(first), sum(amount for _, _, amount in first))
    databases.run(url, "INSERT INTO ledger VALUES (%s, %s, %s)", first)
    databases.run(url, "INSERT INTO batches VALUES (%s, %s, %s)", [mark])


def judge_ledger(
    url: str, batches: Sequence[Sequence[tuple[int, int, Decimal]]]
) -> dict[str, list[Any]]:
    due = [{"order": number} for batch in batches for number, *_ in batch]
    amounts = {number: amount for batch in batches for number, _, amount in batch}
    got = databases.rows(url, 'SELECT order_id AS "order", amount FROM ledger ORDER BY ctid')
    marks = {row["number"]: row for row in databases.rows(url, "SELECT * FROM batches")}
    numbers = range(len(batches))
    return {
        LOST: logs.lost(due, got, "order"),
        TWICE: logs.duplicated(got, "order"),
        MARKED: [
            f"batch {n}: {marks.get(n, {}).get('lines', 'no mark')} of {len(batches[n])} lines"
            for n in numbers
            if marks.get(n, {}).get("lines") != len(batches[n])
        ],
        EXACT: [
            f"order {row['order']}: {row['amount']}, not {amounts[row['order']]}"
            for row in got
            if row["order"] in amounts and row["amount"] != amounts[row["order"]]
        ]
        + [
            f"batch {n}: {marks[n]['total']}, not {total(batches[n])}"
            for n in numbers
            if n in marks and marks[n]["total"] != total(batches[n])
        ],
    }


def total(batch: Sequence[tuple[int, int, Decimal]]) -> Decimal:
    return sum((amount for _, _, amount in batch), Decimal(0))


def gone(trial: Trial) -> int:
    kinds = {event.kind for event in trial.trace.events}
    if kinds & {"DELETE", "TRUNCATE"}:
        return 8
    return 2 if trial.point else 1


def doubled(trial: Trial) -> int:
    """Tell half a batch from a whole one that came again."""
    if trial.point is None:
        return 5
    return 3 if trial.point.kind in ("INSERT", "CopyDone") and per_row(trial) else 4


def per_row(trial: Trial) -> bool:
    """Return whether lines were made to last one by one."""
    return Counter(event.kind for event in trial.trace.durable())["INSERT"] > 25


# %% keep_constraints

GUARDED = "every constraint is still there, and holds for every row"
GOOD = "every good row is loaded"
REFUSED = "every bad row is in `rejected`, and no good one"


@exercise(
    title="Bad rows, and constraints that stay",
    points=20,
    hints=[
        "COPY all rows into a table of your own without constraints (CREATE TEMP TABLE). Then two INSERT ... SELECT: the good ones into `orders`, the others into `rejected`.",
        "You took a constraint away, or put it back without looking at the rows (NOT VALID). The constraint is not in the way: it is the only one who tells you that the data are wrong.",
        "One bad row took good ones with it: a transaction ends with its first error. Sort out bad rows before, or give each row a savepoint (`with db.transaction():` inside of another).",
        "Bad rows were skipped, and nobody will ever know. Write each down in `rejected`, with its line and a reason.",
        "Of two rows with the same number the first is good, and the second is not.",
        "The rows are good: leave them as they are, with every column in its place.",
    ],
)
def keep_constraints(answer: Worker, case: Case) -> Expectations:
    rows, bad = order_lines(case.rng)
    url = case.database(SHOP)
    before = constraints(url)
    trial = run_once(answer.workspace, Stage({"DATABASE_URL": url, "ROWS": json.dumps(rows)}))
    yield expect(GUARDED, constraints(url), equals=before, given="pg_constraint", hint=2)
    yield ended(trial)
    query = "SELECT id, seller_id, quantity, amount::text FROM orders ORDER BY id"
    got = [list(row.values()) for row in databases.rows(url, query)]
    good = sorted(row[1:] for row in rows if row[0] not in bad)
    yield expect(
        GOOD,
        [row for row in good if row not in got] + [row for row in got if row not in good],
        equals=[],
        given=f"{len(good)} good rows",
        hint=6 if len(got) == len(good) else 3,
    )
    refused = [row["line"] for row in databases.rows(url, "SELECT line FROM rejected ORDER BY 1")]
    yield expect(
        REFUSED,
        refused,
        equals=sorted(bad),
        given=dict(sorted(bad.items())),
        mistakes={4: []},
        hint=5,
    )


def order_lines(rng: random.Random) -> tuple[list[list[Any]], dict[int, str]]:
    """Draw rows of [line, id, seller, quantity, amount], and say which lines are bad, and why."""
    numbers = rng.sample(range(1000, 9999), 80)
    rows: list[list[Any]] = [
        [
            0,
            n,
            rng.randint(1, 20),
            rng.randint(1, 5),
            f"{rng.randint(1, 300)}.{rng.randint(10, 99)}",
        ]
        for n in numbers
    ]
    kinds = ["unknown seller", "quantity", "seen before"] * 3
    for why, at in zip(kinds, sorted(rng.sample(range(10, 80), len(kinds))), strict=True):
        rows[at] = spoilt(why, rows[at], rows[rng.randrange(10)], rng)
    why_bad = {}
    seen: set[int] = set()
    for line, row in enumerate(rows, 1):
        row[0] = line
        reason = why_not(row, seen)
        if reason:
            why_bad[line] = reason
        seen.add(row[1])
    return rows, why_bad


def spoilt(why: str, row: list[Any], earlier: list[Any], rng: random.Random) -> list[Any]:
    _, number, seller, quantity, amount = row
    return {
        "unknown seller": [0, number, rng.randint(100, 999), quantity, amount],
        "quantity": [0, number, seller, -quantity, amount],
        "seen before": [0, earlier[1], seller, quantity, amount],
    }[why]


def why_not(row: list[Any], seen: set[int]) -> str:
    _, number, seller, quantity, _ = row
    if seller > 20:
        return "there is no such seller"
    if quantity <= 0:
        return "the quantity is not positive"
    return "the number was there before" if number in seen else ""


def constraints(url: str) -> list[list[Any]]:
    query = """
        SELECT conrelid::regclass::text, contype::text, pg_get_constraintdef(oid) AS words,
            convalidated FROM pg_constraint
        WHERE conrelid IN (to_regclass('orders'), to_regclass('rejected')) AND contype <> 'n'
        ORDER BY 1, 2, 3"""
    return [list(row.values()) for row in databases.rows(url, query)]


# %% codec

KINDS = ("json", "csv", "gzipped", "random")
NAMES = ("clicks", "exports", "invoices", "pictures", "readings", "tokens")


def samples(rng: random.Random) -> dict[str, Any]:
    """Draw a hundred records of each of six topics, some of which do not shrink."""
    kinds = [*KINDS, *rng.sample(KINDS, 2)]
    rng.shuffle(kinds)
    return {"samples": {name: sample(rng, kind) for name, kind in zip(NAMES, kinds, strict=True)}}


def sample(rng: random.Random, kind: str) -> list[bytes]:
    found = []
    for number in range(100):
        row = {"order_id": rng.randrange(10**6), "amount_cents": rng.randrange(10**5), "n": number}
        text = json.dumps(row | {"status": rng.choice(["paid", "placed"])}).encode()
        found.append(
            {
                "json": text,
                "csv": ",".join(map(str, (*row.values(), "2025-06-01T08:00:00Z"))).encode(),
                "gzipped": zlib.compress(text * 3, 9)[2:-4],
                "random": rng.randbytes(120),
            }[kind]
        )
    return found


def shrinks(records: Sequence[bytes], *, together: bool = True) -> bool:
    whole = b"".join(records)
    parts = [whole] if together else records
    return sum(len(zlib.compress(part)) for part in parts) < len(whole) / 2


@exercise(
    title="Which topics are worth compressing?",
    points=10,
    hints=[
        "Join the 100 records of a topic, `zlib.compress` them, and compare the lengths.",
        "You compressed every record by itself. A codec lives from what repeats; the producer compresses whole batches, where every record repeats the one before.",
        "Names say nothing about bytes. What is compressed or encrypted already looks like noise, and noise does not shrink: compressing it costs time for nothing.",
    ],
    task=samples,
)
def codec(answer: Choice, case: Case) -> Expectations:
    drawn = codec.task_for(answer.student)["samples"]
    value = answer.value
    yield expect(
        "the topics that shrink to less than half, in batches of 100",
        sorted(value)
        if isinstance(value, list) and all(isinstance(v, str) for v in value)
        else value,
        equals=[name for name in NAMES if shrinks(drawn[name])],
        given=", ".join(NAMES),
        mistakes={
            2: [name for name in NAMES if shrinks(drawn[name], together=False)],
            3: list(NAMES),
        },
    )


# %% tuned_producer

ACKS = "every request waits for all replicas: acks=all"
FEW = "at most 25 Produce requests"
SMALL = "at most 60 % of the bytes on the wire"
SOON = "no event waits for longer than half a second"
SAME = "every event is there, once, as it was"
MOST_REQUESTS, MOST_BYTES = 25, 0.6


@exercise(
    title="A producer that batches",
    points=20,
    hints=[
        "Three settings: linger.ms, batch.size and compression.type. Leave all others alone.",
        "Lower acks are faster because nobody waits for the answer that says that the event is safe. Speed comes from batches, not from not looking.",
        "Events come in fives, every 10 ms. A producer that does not wait (linger.ms), or has no room (batch.size, batch.num.messages), sends each handful by itself. Let it wait for some of them.",
        "Set compression.type: these events are JSON, and each looks like the one before.",
        "You compressed every event by itself. Alone it hardly shrinks, and every reader would have to know. compression.type compresses whole batches, and consumers need not know.",
        "With a linger of a minute an event may wait for a minute. Half a second is the limit here.",
        "Read the topic yourself: compare its values with those that you were given.",
    ],
)
def tuned_producer(answer: Worker, case: Case) -> Expectations:
    shop, env = shop_env(case, 0.15)
    topic = case.topic()
    env |= {"KAFKA_BOOTSTRAP_SERVERS": case.world.kafka(), "TOPIC": topic}
    trial = run_once(answer.workspace, Stage(env))
    due = events(shop, shop.order_batches()[0])["value"].to_pylist()
    sent = [event.request for event in trial.trace.events if event.kind == "Produce"]
    raw, wire = sum(map(len, due)), sum(len(request.data) for request in sent)
    got = read(case.world.kafka(), topic)
    yield ended(trial)
    acks = sorted({request.acks for request in sent if request.acks is not None})
    yield expect(ACKS, acks, equals=[-1], given="-1 is all", hint=2)
    given = f"{len(due)} events of {raw} bytes: {len(sent)} requests of {wire} bytes"
    few = len(sent) <= MOST_REQUESTS
    yield expect(FEW, FEW if few else f"{len(sent)} requests", equals=FEW, given=given, hint=3)
    by_hand = got != due
    small = bool(sent) and wire <= raw * MOST_BYTES
    shown = SMALL if small else f"{wire / raw:.0%}"
    yield expect(SMALL, shown, equals=SMALL, given=given, hint=5 if by_hand else 4)
    soon = SOON if len(sent) > 1 else "all of them at the very end"
    yield expect(SOON, soon, equals=SOON, given=given, hint=6)
    yield expect(
        SAME,
        {
            "missing": sorted((Counter(due) - Counter(got)).elements())[:3],
            "too much": sorted((Counter(got) - Counter(due)).elements())[:3],
        },
        equals={"missing": [], "too much": []},
        given=f"{len(got)} records for {len(due)} events",
        hint=7,
    )


def read(servers: str, topic: str) -> list[bytes]:
    """Return the values of a topic of one partition, whatever they are compressed with."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": topic, "log_level": 0})
    place = TopicPartition(topic, 0, 0)
    try:
        _, end = consumer.get_watermark_offsets(place, SECONDS)
        consumer.assign([place])
        found: list[bytes] = []
        deadline = time.monotonic() + SECONDS
        while len(found) < end:
            found += [message.value() or b"" for message in consumer.consume(end, 0.1)]
            if time.monotonic() > deadline:
                raise Ungradable(f"topic {topic} could not be read to its end in time")
        return found
    finally:
        consumer.close()
