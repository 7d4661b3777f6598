"""What is checked in lab 04, delivery guarantees, and the hints."""

import json
import random
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

from kafka import KafkaProducer

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
from streamgym.checks.answers import Raised
from streamgym.checks.crashes import Hint, survives
from streamgym.data import shop
from streamgym.faults.actions import Action, Cut, Delay, Refuse, Rule
from streamgym.faults.sweep import Broken, Stage, Trial, run_once
from streamgym.faults.trace import Fate

BATCH = 20
"""How many records a worker polls at most."""

LOST, TWICE, ORDER = (
    "nothing is lost",
    "nothing is duplicated",
    "the orders of a customer keep their order",
)
Judge = Callable[[], Broken]


def kafka_env(case: Case, source: str, target: str) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": case.world.kafka(),
        "INPUT_TOPIC": source,
        "OUTPUT_TOPIC": target,
        "GROUP_ID": f"{target}-group",
    }


def requests(trial: Trial, kind: str) -> int:
    return sum(event.kind == kind for event in trial.trace.events)


# %% durable_producer

PRODUCED = 24
TROUBLES: dict[str, Action | None] = {
    "an undisturbed run": None,
    "the answer to a Produce request is lost": Cut(),
    "a Produce request and the next two connections are refused": Refuse(2),
    "the broker takes three seconds to answer": Delay(3),
}
HARMLESS = ("an undisturbed run", "the broker takes three seconds to answer")
"""Where a producer that waits for its answers loses nothing, whatever its settings."""


@exercise(
    title="A producer that loses, doubles and swaps nothing",
    points=20,
    hints=[
        "The settings must fit together: idempotence needs acks='all', retries, and at most 5 requests in flight. Ask for it explicitly and a setting that does not fit is an error; leave it to the default and it is silently switched off.",
        "With acks=0 a record counts as sent when its bytes have left: nobody notices that they never arrived.",
        "A request that failed must be sent again. Leave retries as it is; with retries=0 the record is given up.",
        "send() only puts a record into the producer's buffer. Before the script ends, wait until everything is sent: flush() or close().",
        "An acknowledgement can get lost although the record arrived. Only with enable_idempotence=True does the broker know the repeated request again.",
        "Several requests in flight are sent again each for itself, and arrive swapped. Idempotence numbers them, so that the broker keeps the order.",
        "acks=1 waits for the leader alone: a record that only the leader had dies with it. Wait for all in-sync replicas.",
        "Order is kept within a partition, and a key chooses the partition: the key is the customer.",
    ],
)
def durable_producer(answer: Worker, case: Case) -> Expectations:
    orders = shop.orders(case.rng, PRODUCED, customers=2)
    number = case.rng.randint(4, 8)

    case.world.kafka()  # starts it, before there are threads

    def troubled(action: Action | None) -> Trial:
        return disturbed(answer, case, orders, action, number)

    with ThreadPoolExecutor(len(TROUBLES)) as pool:
        trials = dict(zip(TROUBLES, pool.map(troubled, TROUBLES.values()), strict=True))
    lasts = all(waited(trials[trouble]) for trouble in HARMLESS)
    for trouble, trial in trials.items():
        ended = trial.run
        yield expect("the worker ends in order", ended.returncode, equals=0, given=ended.errors)
        hints = {LOST: losing(trial, lasts=lasts), TWICE: 5, ORDER: 6, BY_CUSTOMER: 8}
        hints[REPLICAS] = 2 if 0 in acks_of(trial) else 7
        for name, hint in hints.items():
            yield expect(name, trial.broken[name], equals=[], given=trouble, hint=hint)


BY_CUSTOMER = "the key of each record is its customer"
REPLICAS = "it waits for all in-sync replicas"


def disturbed(
    answer: Worker, case: Case, orders: list[Any], action: Action | None, number: int
) -> Trial:
    """Run the worker, disturbed at this Produce request, or at the first when it sends so few.

    The request before is slow, so that by then as many are in flight as the producer allows.
    """
    topic = case.topic()
    env = {"ORDERS": json.dumps(orders), "OUTPUT_TOPIC": topic}
    env["KAFKA_BOOTSTRAP_SERVERS"] = case.world.kafka()
    slow = [Rule("Produce", Delay(1.0), number - 1)] if number > 1 else []
    rules = [*slow, Rule("Produce", action, number)] if action else []
    trial = run_once(answer.workspace, Stage(env), rules=rules)
    if rules and rules[-1].times and number > 1:
        return disturbed(answer, case, orders, action, 1)
    got = topics.records(case.world.kafka(), topic)
    values = [record.value for record in got if isinstance(record.value, dict)]
    broken: Broken = {
        LOST: logs.lost(orders, values, "order"),
        TWICE: logs.duplicated(values, "order"),
        ORDER: logs.reordered(orders, values, "order", "customer"),
        BY_CUSTOMER: [r.value for r in got if r.key != customer_of(r.value)],
        REPLICAS: [f"a Produce request with acks={each}" for each in sorted(acks_of(trial) - {-1})],
    }
    return Trial(None, False, trial.run, broken, trial.trace)


def acks_of(trial: Trial) -> set[int]:
    """Return how many acknowledgements the producer asked for, as seen on the wire."""
    produced = (e.request.acks for e in trial.trace.events if e.kind == "Produce")
    return {acks for acks in produced if acks is not None}


def waited(trial: Trial) -> bool:
    """Return whether the producer was there until all its requests were answered."""
    produced = [event for event in trial.trace.events if event.kind == "Produce"]
    return not trial.broken[LOST] and all(event.fate is Fate.ANSWERED for event in produced)


def losing(trial: Trial, *, lasts: bool) -> int:
    """Return the hint for orders that are lost; ``lasts`` tells whether it waits to its end."""
    if 0 in acks_of(trial):
        return 2
    return 3 if lasts else 4


def customer_of(value: Any) -> Any:
    return value.get("customer") if isinstance(value, dict) else None


# %% at_least_once

AGAIN = "no more is handled again than one batch"


def missing_commits(trial: Trial) -> bool:
    """Return whether records went out for which no offset was ever committed."""
    return requests(trial, "OffsetCommit") < requests(trial, "Produce") - 1


def unflushed(trial: Trial) -> bool:
    """Return whether the worker went on committing while its records were still in its buffer."""
    return requests(trial, "Produce") < requests(trial, "OffsetCommit") - 1


@exercise(
    title="At least once: nothing is lost, however the worker dies",
    points=20,
    hints=[
        "Read what the worker wrote at its end. commit() alone commits what poll() has returned; offsets of your own must be OffsetAndMetadata.",
        "The offset was committed before the records had arrived. A committed offset says: all before it is done. So commit last.",
        "send() returns at once; the records are still in the producer's buffer when the offset is committed. Flush before you commit.",
        "After the crash the group began far behind: nobody had committed. Auto-commit does so every 5 seconds only, and a crash does not wait. Commit after each batch.",
        "Keep the record's key: the same key goes to the same partition, and only a partition keeps its order.",
        "Send each record once. What is handled again after a crash is bad enough.",
        "Read the whole input, from the first record, to its end.",
    ],
)
def at_least_once(answer: Worker, case: Case) -> Expectations:
    orders = shop.orders(case.rng, 60)
    source = case.topic(orders, key="customer", partitions=2)

    def prepare() -> tuple[dict[str, str], Judge]:
        target = case.topic(partitions=2)

        def judge() -> Broken:
            got = case.read(target)
            again = logs.duplicated(got, "order")
            return {
                LOST: logs.lost(orders, got, "order"),
                ORDER: logs.reordered(orders, got, "order", "customer"),
                AGAIN: again if len(again) > BATCH else [],
            }

        return kafka_env(case, source, target), judge

    hints: dict[str, Hint] = {LOST: losing_after_commit, ORDER: 5, AGAIN: handling_again}
    yield from survives(answer, case, prepare, hints)


def losing_after_commit(trial: Trial) -> int:
    if not trial.point:
        return 7
    return 3 if unflushed(trial) else 2


def handling_again(trial: Trial) -> int:
    return 4 if missing_commits(trial) else 6


# %% at_most_once

AT_MOST = "no more is lost than one batch"


@exercise(
    title="At most once: a text message is never sent twice",
    points=10,
    hints=[
        "Read what the worker wrote at its end, and compare with the worker of the exercise before: which two steps change places?",
        "What was sent and not yet committed is sent again after a crash. So give up the right to read it again first: commit before you send.",
        "Auto-commit does not commit before the work. Switch it off and commit yourself.",
        "At most once is no leave to lose everything: commit one batch, send it, flush, and only then poll the next.",
        "A new group must begin with the first record: auto_offset_reset.",
        "Send each record once.",
    ],
)
def at_most_once(answer: Worker, case: Case) -> Expectations:
    orders = shop.orders(case.rng, 60)
    source = case.topic(orders, key="customer", partitions=2)
    may_lose = chain([0], repeat(BATCH))  # the first run that is prepared is not disturbed

    def prepare() -> tuple[dict[str, str], Judge]:
        target, allowed = case.topic(partitions=2), next(may_lose)

        def judge() -> Broken:
            got = case.read(target)
            gone = logs.lost(orders, got, "order")
            return {
                TWICE: logs.duplicated(got, "order"),
                AT_MOST: gone if len(gone) > allowed else [],
            }

        return kafka_env(case, source, target), judge

    hints: dict[str, Hint] = {TWICE: doubling, AT_MOST: lambda trial: 4 if trial.point else 5}
    yield from survives(answer, case, prepare, hints)


def doubling(trial: Trial) -> int:
    if not trial.point:
        return 6
    return 3 if missing_commits(trial) else 2


# %% predict

STEPS = {
    "commit after the work": ("poll", "send", "flush", "commit"),
    "commit before the work": ("poll", "commit", "send", "flush"),
    "flush forgotten": ("poll", "send", "commit"),
    "auto-commit": ("poll, which commits what it returned last", "send", "flush"),
}
"""The steps of one batch, over and over, by what is typical for a worker."""

OUTCOMES = ("lost", "duplicated", "neither")


@dataclass(frozen=True)
class Situation:
    """What a worker does over and over, and the step after which it is killed."""

    habit: str
    step: int

    @property
    def text(self) -> str:
        steps = STEPS[self.habit]
        return f"{' · '.join(steps)} · (again) — killed after “{steps[self.step].split(',')[0]}”"

    @property
    def outcome(self) -> str:
        """What happens to the batch in hand when it is killed and started again."""
        done = STEPS[self.habit][: self.step + 1]
        arrived, committed = "flush" in done, "commit" in done
        if arrived == committed:
            return "neither"
        return "lost" if committed else "duplicated"


SITUATIONS = {
    each.text: each
    for habit, steps in STEPS.items()
    for each in (Situation(habit, step) for step in range(len(steps)))
}


def predict_task(rng: random.Random) -> dict[str, Any]:
    """Return this student's six situations, by letter: one of each habit that tells, two more."""
    harmless = [each for each in SITUATIONS.values() if each.outcome == "neither"]
    drawn = rng.sample(harmless, 2)
    for habit in STEPS:
        of_habit = [each for each in SITUATIONS.values() if each.habit == habit]
        drawn.append(rng.choice([each for each in of_habit if each.outcome != "neither"]))
    rng.shuffle(drawn)
    return {letter: each.text for letter, each in zip("ABCDEF", drawn, strict=True)}


@exercise(
    title="Predict: lost, duplicated, or neither",
    points=10,
    task=predict_task,
    hints=[
        "Answer each letter with 'lost', 'duplicated' or 'neither'.",
        "Ask of the batch in hand: has it arrived in the output topic? Is it committed? Arrived but not committed comes again. Committed but not arrived is gone.",
        "What was only sent is in the producer's buffer, which dies with the process; nobody outside has seen it.",
        "Auto-commit commits at the next poll what the previous one returned. At the kill the batch in hand is not committed.",
        "When nothing of a batch has arrived and nothing is committed, the restarted worker simply does it. When both are done, it is done.",
    ],
)
def predict(answer: Choice, case: Case) -> Expectations:
    named = {k: SITUATIONS[text] for k, text in predict.task_for(answer.student).items()}
    given = answer.value if isinstance(answer.value, dict) else {}
    words = [given.get(letter) for letter in named]
    yield expect(
        "each letter has one of the three words",
        [letter for letter, word in zip(named, words, strict=True) if word not in OUTCOMES],
        equals=[],
        given=answer.value,
    )
    for letter, each in named.items():
        yield expect(
            f"the outcome is right: {each.habit}",
            given.get(letter, Raised("nothing")),
            equals=each.outcome,
            given=f"{letter}: {each.text}",
            hint=prediction_hint(each),
        )


def prediction_hint(each: Situation) -> int:
    if each.habit == "auto-commit" and each.outcome == "duplicated":
        return 4
    if each.habit == "flush forgotten" and each.outcome == "lost":
        return 3
    return 5 if each.outcome == "neither" else 2


# %% next_offsets

Handled = list[list[Any]]


def contiguous(handled: Iterable[Any], committed: dict[str, int]) -> dict[str, int]:
    """Return for each partition the first offset that is not handled, where that is news."""
    done = {(partition, offset) for partition, offset in handled}
    found = {}
    for partition, start in committed.items():
        after = start
        while (partition, after) in done:
            after += 1
        if after > start:
            found[partition] = after
    return found


@exercise(
    title="What may be committed when threads finish in any order",
    points=15,
    hints=[
        "For each partition begin at the committed offset and go on for as long as the next offset is handled.",
        "There is a gap: an offset below is still being worked on. Commit beyond it, and a crash loses it.",
        "A committed offset is the offset of the next record to read, not of the last one that was handled.",
        "Each partition has offsets of its own. What one partition has reached says nothing about another.",
        "A partition in which nothing new may be committed has no place in the result.",
    ],
)
def next_offsets(answer: Function, case: Case) -> Expectations:
    calls = [progress(case.rng, gaps) for gaps in (False, True) for _ in range(12)]
    names = ["all of a batch is handled"] * 12 + ["a record is still being worked on"] * 12
    for name, (handled, committed), found in zip(names, calls, answer.map(calls), strict=True):
        due = contiguous(handled, committed)
        highest = {p: max(o for q, o in handled if q == p) for p in dict(handled)}
        yield expect(
            name,
            found,
            equals=due,
            given={"handled": handled, "committed": committed},
            mistakes={
                2: {p: o + 1 for p, o in highest.items()},
                3: {p: o - 1 for p, o in due.items()},
                4: dict.fromkeys(committed, max(highest.values()) + 1),
                5: {**committed, **due},
            },
        )


def progress(rng: random.Random, gaps: bool) -> tuple[Handled, dict[str, int]]:
    """Draw what threads have handled of three partitions; one of them is idle."""
    committed = {f"orders-{n}": rng.randrange(10, 500) for n in range(3)}
    busy = rng.sample(sorted(committed), 2)
    handled = [[p, committed[p] + n] for p in busy for n in range(rng.randint(4, 7))]
    if gaps:
        for hole in ([busy[0], committed[busy[0]]], [busy[1], committed[busy[1]] + 2]):
            handled.remove(hole)
    rng.shuffle(handled)
    return handled, committed


# %% after_rebalance

LISTENERS = ("nothing", "position", "handled")


def after(partition: dict[str, Any], listener: str) -> list[int]:
    """Return how many records are handled again, and how many never."""
    begins = {"nothing": "committed", "position": "polled", "handled": "handled"}[listener]
    ahead = partition[begins] - partition["handled"]
    return [max(0, -ahead), max(0, ahead)] if partition["moves"] else [0, 0]


@exercise(
    title="A rebalance in mid-batch: what is handled again, what never?",
    points=10,
    hints=[
        "The new owner of a partition begins at its committed offset. Compare that with what is handled.",
        "Handled again is only what was handled since the last commit; the rest of the polled batch had not been handled yet.",
        "commit() without offsets commits the position, which is behind the last polled record: what was polled and not handled is then never handled.",
        "A partition that stays with its member goes on where it was. Nothing of it is handled again.",
        "When the listener commits exactly what is handled, nothing is handled again and nothing is lost.",
    ],
)
def after_rebalance(answer: Function, case: Case) -> Expectations:
    calls = [(revoked(case.rng), listener) for listener in LISTENERS for _ in range(8)]
    for (partitions, listener), found in zip(calls, answer.map(calls), strict=True):
        yield expect(
            f"the listener commits {COMMITS[listener]}",
            found,
            equals={name: after(each, listener) for name, each in partitions.items()},
            given={"listener": listener, **partitions},
            mistakes=misread(partitions, listener),
            hint=5 if listener == "handled" else 1,
        )


COMMITS = {
    "nothing": "nothing",
    "position": "the position",
    "handled": "what is handled",
}


def misread(partitions: dict[str, Any], listener: str) -> dict[int, Any]:
    def each(rule: Callable[[dict[str, Any]], list[int]]) -> dict[str, list[int]]:
        return {name: rule(partition) for name, partition in partitions.items()}

    mistaken: dict[int, Any] = {
        4: each(lambda partition: after({**partition, "moves": True}, listener)),
    }
    if listener == "nothing":
        mistaken[2] = each(lambda p: [(p["polled"] - p["committed"]) * p["moves"], 0])
    if listener == "position":
        mistaken[3] = each(lambda _: [0, 0])
    return mistaken


def revoked(rng: random.Random) -> dict[str, dict[str, Any]]:
    """Draw how far a member is with its partitions at a rebalance; one of them stays."""
    partitions = {}
    moving = rng.sample([True, True, False], 3)
    for number, moves in enumerate(moving):
        committed = rng.randrange(100, 900)
        handled = committed + rng.randint(3, 12)
        polled = handled + rng.randint(2, 8)
        partitions[f"orders-{number}"] = {
            "committed": committed,
            "handled": handled,
            "polled": polled,
            "moves": moves,
        }
    return partitions


# %% deduplicate

SCHEMA = """
CREATE TABLE seen (id text PRIMARY KEY);
CREATE TABLE parcels (number serial, order_id bigint NOT NULL, customer text NOT NULL);
"""
ONCE, PACKED = "no order is packed twice", "every order is packed"
FORGOTTEN = "packed twice, and nothing is remembered"


def with_retries(rng: random.Random) -> list[dict[str, Any]]:
    """Draw orders of which many come again later: the same order, sent by another event.

    The first order comes again at once, and every other of the first 20 at least a batch later, so
    that whoever forgets at a restart, or after a batch, meets it. Two orders are alike in all but
    their number.
    """
    first = shop.orders(rng, 40)
    alike = {**first[11], "order": first[-1]["order"] + 1}
    again, often = rng.sample(first[1:20], 19), rng.sample(first[1:], 9)
    sent = [first[0], *first[:30], alike, *again, *first[30:], *often]
    return [
        {"event_id": f"{rng.getrandbits(64):016x}", "sent_at": 1_700_000_000 + 3 * n, **order}
        for n, order in enumerate(sent)
    ]


@exercise(
    title="De-duplicate, with a memory that survives",
    points=20,
    hints=[
        "Remember each order in `seen`; pack it only when it was not there. INSERT ... ON CONFLICT DO NOTHING tells by its rowcount whether it was new.",
        "What stays the same when the shop sends an order again? Not the event's id, nor the time at which it was sent. Take the order's number.",
        "Two orders with the same content are still two orders: only the number tells.",
        "A set in memory dies with the process. The memory must be where the effect is: in the database.",
        "Memory and effect belong into one transaction. Between two commits there is a moment at which only one of them is true, and a crash finds it.",
        "The offset was committed before the database was. Whatever a crash undoes in the database is never read again: commit the offset last.",
        "An order may come again long after, in another batch.",
    ],
)
def deduplicate(answer: Worker, case: Case) -> Expectations:
    orders = with_retries(case.rng)
    source = case.topic(orders, key="customer")

    def prepare() -> tuple[dict[str, str], Judge]:
        database = case.database(SCHEMA)

        def judge() -> Broken:
            packed = databases.rows(database, "SELECT order_id FROM parcels ORDER BY number")
            twice = logs.duplicated(packed, "order_id")
            remembered = databases.rows(database, "SELECT id FROM seen LIMIT 1")
            return {
                ONCE: twice,
                FORGOTTEN: [] if remembered else twice,
                PACKED: logs.lost(orders_as_parcels(orders), packed, "order_id"),
            }

        return {
            "KAFKA_BOOTSTRAP_SERVERS": case.world.kafka(),
            "INPUT_TOPIC": source,
            "GROUP_ID": database.rpartition("/")[2],
            "DATABASE_URL": database,
        }, judge

    def twice(trial: Trial) -> int:
        return packing_twice(trial, double_click=orders[0]["order"])

    yield from survives(answer, case, prepare, {ONCE: twice, PACKED: leaving_out})


def orders_as_parcels(orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"order_id": order["order"]} for order in orders]


def packing_twice(trial: Trial, double_click: int) -> int:
    if not trial.point:
        return 2 if double_click in trial.broken[ONCE] else 7
    return 4 if trial.broken[FORGOTTEN] else 5


def leaving_out(trial: Trial) -> int:
    if not trial.point:
        return 3
    return 6 if trial.point.kind == "OffsetCommit" else 5


# %% poison

GOOD, BAD = "every good order arrives", "every bad record is in the dead-letter topic, unchanged"
WHERE, CLEAN = "each dead letter says where it came from", "nothing bad goes downstream"
HEADERS = ("topic", "partition", "offset")


def spoiled(rng: random.Random, order: dict[str, Any]) -> list[bytes]:
    """Return four bad records that began as this order."""
    whole = json.dumps(order)
    return [
        whole[: rng.randint(20, 40)].encode(),
        json.dumps({k: v for k, v in order.items() if k != "amount"}).encode(),
        json.dumps({**order, "amount": -order["amount"]}).encode(),
        json.dumps({**order, "amount": f"{order['amount']} cents"}).encode(),
    ]


@exercise(
    title="A poison record must not stop the others",
    points=20,
    hints=[
        "One bad record stops all behind it: each restart meets it again. Catch what it raises, and go on with the next. Bad is what is not JSON, and an amount that is missing, not a whole number, or not above 0.",
        "A bad record that is only skipped is lost, and nobody will ever know. Send it to DEAD_LETTER_TOPIC.",
        "A dead letter is kept as it came, key and value: send record.key and record.value, not what you made of them.",
        "Without its topic, partition and offset nobody finds the place in the log, and without the error nobody knows why. Headers are pairs of text and bytes.",
        "JSON that parses may still be nonsense. Look at the amount: there, a whole number, above 0.",
        "The dead letters must have arrived before the offset is committed, like everything else.",
        "The good orders around a bad one go on, whatever happens to it.",
    ],
)
def poison(answer: Worker, case: Case) -> Expectations:
    orders = shop.orders(case.rng, 56)
    source = case.topic(partitions=2)
    bad = fill(case, source, orders)

    def prepare() -> tuple[dict[str, str], Judge]:
        target, dead = case.topic(partitions=2), case.topic()
        env = kafka_env(case, source, target) | {"DEAD_LETTER_TOPIC": dead}
        return env, lambda: judge_poison(case, env, orders, bad)

    hints: dict[str, Hint] = {
        GOOD: lambda trial: 6 if trial.point else 7,
        BAD: dead_letter_hint,
        WHERE: 4,
        CLEAN: 5,
    }
    yield from survives(answer, case, prepare, hints)


def fill(case: Case, topic: str, orders: list[dict[str, Any]]) -> list[topics.Record]:
    """Produce the orders with bad records among them; return the bad ones as they can be read."""
    spoils = spoiled(case.rng, {**case.rng.choice(orders), "order": orders[-1]["order"] + 1})
    places = dict(zip(case.rng.sample(range(len(orders)), len(spoils)), spoils, strict=True))
    producer = KafkaProducer(bootstrap_servers=case.world.kafka(), linger_ms=20)
    for number, order in enumerate(orders):
        key = order["customer"].encode()
        if number in places:
            producer.send(topic, places[number], key=key)
        producer.send(topic, json.dumps(order).encode(), key=key)
    producer.flush(timeout=20)
    producer.close()
    return [r for r in topics.records(case.world.kafka(), topic) if not is_good(r.value)]


def is_good(value: Any) -> bool:
    amount = value.get("amount") if isinstance(value, dict) else None
    return type(amount) is int and amount > 0


def judge_poison(
    case: Case, env: dict[str, str], orders: list[dict[str, Any]], bad: list[topics.Record]
) -> Broken:
    source, target, dead = (
        env[name] for name in ("INPUT_TOPIC", "OUTPUT_TOPIC", "DEAD_LETTER_TOPIC")
    )
    got = [record.value for record in topics.records(case.world.kafka(), target)]
    letters = topics.records(case.world.kafka(), dead)
    due, kept = ({identity(record) for record in records} for records in (bad, letters))
    note = CHANGED if kept - due else ""
    return {
        GOOD: logs.lost(orders, [value for value in got if isinstance(value, dict)], "order"),
        BAD: [place(record) + note for record in bad if identity(record) not in kept],
        WHERE: misplaced(letters, source, bad),
        CLEAN: [value for value in got if not is_good(value)],
    }


def identity(record: topics.Record) -> tuple[str | None, str]:
    """Return key and value in a form that can be compared."""
    return record.key, json.dumps(record.value, sort_keys=True)


def place(record: topics.Record) -> str:
    return f"partition {record.partition}, offset {record.offset}: {str(record.value)[:60]}"


def misplaced(letters: list[topics.Record], topic: str, bad: list[topics.Record]) -> list[str]:
    """Describe dead letters whose headers do not say where they came from, and why."""
    places = {(topic, str(record.partition), str(record.offset)) for record in bad}
    return [
        f"{str(letter.value)[:60]} with headers {letter.headers}"
        for letter in letters
        if tuple(letter.headers.get(name) for name in HEADERS) not in places
        or not letter.headers.get("error")
    ]


CHANGED = " (there are dead letters with another key or value)"


def dead_letter_hint(trial: Trial) -> int:
    if trial.point:
        return 6
    return 3 if any(CHANGED in text for text in trial.broken[BAD]) else 2
