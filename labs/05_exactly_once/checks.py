"""What is checked in lab 05, exactly once, and the hints."""

import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from kafka import KafkaProducer
from kafka.partitioner.default import murmur2

from streamgym.checks import (
    Case,
    Choice,
    Expectations,
    Function,
    Worker,
    exercise,
    expect,
    logs,
    topics,
)
from streamgym.checks.crashes import SHOWN, Hint, survives
from streamgym.checks.payments import Payments
from streamgym.data import shop
from streamgym.faults.sweep import Broken, Point, Stage, Trial, run_once
from streamgym.faults.zombie import Haunting, haunt

Row = dict[str, Any]

LOST = "nothing is lost"
TWICE = "nothing is duplicated"
TORN = "no order is torn"
OPEN = "no transaction is left open"
PATIENT = 120.0
"""Seconds for a worker that waits for an abandoned transaction: 60 until it times out, and some."""


def lines(order: Row) -> list[Row]:
    """Return the ledger lines of an order, one for each item."""
    return [
        {
            "line": f"{order['order']}-{number}",
            "order": order["order"],
            "lines": len(order["items"]),
            "customer": order["customer"],
            "amount": item["quantity"] * item["price"],
        }
        for number, item in enumerate(order["items"], 1)
    ]


def names(case: Case, source: str, target: str) -> dict[str, str]:
    """Return what a worker from topic to topic is told."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": case.world.kafka(),
        "INPUT_TOPIC": source,
        "OUTPUT_TOPIC": target,
        "GROUP_ID": f"{target}-group",
        "TRANSACTIONAL_ID": f"{target}-payments",
    }


def left_open(case: Case, *written: str) -> list[str]:
    """Return the transactional ids that have left a transaction open on these topics."""
    found = [topics.open_transactions(case.world.kafka(), topic) for topic in written]
    return sorted({name for each in found for name in each})


# %% predict

OUTCOMES = ("lost", "duplicated", "neither")
FATES = {
    "produce first": {
        ("before", "Produce"): "neither",
        ("after", "Produce"): "duplicated",
        ("before", "OffsetCommit"): "duplicated",
        ("after", "OffsetCommit"): "neither",
    },
    "commit first": {
        ("before", "OffsetCommit"): "neither",
        ("after", "OffsetCommit"): "lost",
        ("before", "Produce"): "lost",
        ("after", "Produce"): "neither",
    },
    "transaction": {
        ("after", "Produce"): "neither",
        ("after", "TxnOffsetCommit"): "neither",
        ("before", "EndTxn"): "neither",
        ("after", "EndTxn"): "neither",
    },
}
"""What becomes of a batch: by worker, and by which of its requests, and when, it is killed at."""


def predict_task(rng: random.Random) -> dict[str, Any]:
    """Return two crash points of each worker, one harmless and one not where there are both."""
    cases = []
    for worker, fates in FATES.items():
        harmless = [point for point, fate in fates.items() if fate == "neither"]
        others = [point for point in fates if point not in harmless] or harmless
        first = rng.choice(harmless)
        second = rng.choice([point for point in others if point != first])
        for when, kind in (first, second):
            cases.append({"worker": worker, "when": when, "kind": kind})
    rng.shuffle(cases)
    return {"cases": dict(zip("abcdef", cases, strict=True))}


@exercise(
    title="Predict what a crash does",
    points=10,
    task=predict_task,
    hints=[
        "Give a dict with one of 'lost', 'duplicated' and 'neither' for each letter.",
        "Produce first: ask what the group's committed offset says at the moment of the crash. From there the batch is read again, whatever was written.",
        "Commit first: from the moment at which the offset is committed, nobody reads that batch again, whether it was written or not.",
        "Transaction: until EndTxn has arrived neither records nor offset count; from then on both do. The reader here reads committed records only.",
    ],
)
def predict(answer: Choice, case: Case) -> Expectations:
    cases = predict.task_for(answer.student)["cases"]
    value = answer.value
    told = value if isinstance(value, dict) else {}
    words = [told.get(letter) for letter in cases]
    proper = all(isinstance(word, str) and word in OUTCOMES for word in words)
    yield expect("a word for each letter", proper, equals=True, given=value)
    for hint, worker in enumerate(FATES, 2):
        off = {
            letter: f"killed {each['when']} the arrival of {each['kind']}"
            for letter, each in cases.items()
            if each["worker"] == worker
            and told.get(letter) != FATES[worker][each["when"], each["kind"]]
        }
        yield expect(
            f"what a crash does to '{worker}'",
            off,
            equals={},
            given="not what happens, by letter",
            hint=hint if proper else 1,
        )


# %% exactly_once

POLL = 20
"""The records of one poll, as the worker is given it."""


def orders_that_mix(rng: random.Random) -> list[Any]:
    """Draw 60 orders of which some poll holds both partitions: no partition ends with a poll."""
    while True:
        orders = shop.orders(rng, 60)
        first = sum(murmur2(order["customer"].encode()) % 2 for order in orders)
        if first % POLL:
            return orders


@exercise(
    title="Read, process, write: exactly once",
    points=25,
    hints=[
        "begin_transaction, send all lines of the batch, send_offsets_to_transaction, commit_transaction; and once before the loop init_transactions. Look at the evidence: which orders, and at which crash?",
        "Records that are written outside of a transaction are there for good, even when the offset is not. Put both into one transaction.",
        "consumer.commit() is a request of its own, before or after the transaction: a crash between the two loses or repeats a batch. Use producer.send_offsets_to_transaction(offsets, consumer.group_metadata()).",
        "The committed offset is the offset of the *next* record to read: the last record's offset + 1, for each partition.",
        "A producer under a new transactional id cannot end what the old one has left behind: that transaction stays open until it times out, and readers of committed records wait before it. Use the same id at every start.",
        "All lines of an order, and its offset, belong into one transaction; what is split over two can be cut in two by a crash.",
        "The offset was committed before the records had arrived. Either it is committed first, or nobody waits for the records: send() only puts them into the producer's memory, until a flush() or the commit of a transaction. With records and offsets in one transaction there is no order to get wrong.",
        "Every record of every partition must come out once, and the last transaction must be committed as well.",
    ],
)
def exactly_once(answer: Worker, case: Case) -> Expectations:
    orders = orders_that_mix(case.rng)
    source = case.topic(orders, key="customer", partitions=2)
    due = [line for order in orders for line in lines(order)]

    def prepare() -> tuple[dict[str, str], Callable[[], Broken]]:
        target = case.topic(partitions=2)

        def judge() -> Broken:
            got = case.read(target)
            return {
                LOST: logs.lost(due, got, "order"),
                TWICE: logs.duplicated(got, "line"),
                TORN: logs.torn(got, "order", "lines"),
                OPEN: left_open(case, target),
            }

        return names(case, source, target), judge

    hints: dict[str, Hint] = {LOST: why_lost, TWICE: why_twice, TORN: 6, OPEN: why_open}
    yield from survives(answer, case, prepare, hints, seconds=PATIENT)


def asked(trial: Trial) -> set[str]:
    """Return the kinds of request that a worker has sent."""
    return {event.kind for event in trial.trace.events}


def why_lost(trial: Trial) -> int:
    if trial.broken[OPEN]:
        return why_open(trial)
    if not trial.point:
        return 8
    if "EndTxn" not in asked(trial):
        return 7
    return 3 if "OffsetCommit" in asked(trial) else 1


def why_twice(trial: Trial) -> int:
    if not trial.point:
        return 8
    if "EndTxn" not in asked(trial):
        return 2
    return 4 if "TxnOffsetCommit" in asked(trial) else 3


def why_open(trial: Trial) -> int:
    return 5 if trial.point else 8


# %% committed_only


def attempts(case: Case) -> tuple[str, list[Row], list[Row]]:
    """Produce payments in transactions, some of them aborted; return topic, committed, aborted.

    Many an aborted attempt was repeated later, for the same order under another payment id.
    """
    topic = case.topic(partitions=2)
    producer = KafkaProducer(
        bootstrap_servers=case.world.kafka(), transactional_id=f"{topic}-tills", retry_backoff_ms=20
    )
    producer.init_transactions()
    committed: list[Row] = []
    aborted: list[Row] = []
    numbers = iter(case.rng.sample(range(100, 1000), 200))
    for batch in fates(case.rng):
        tried = [payment(case.rng, order, f"p{next(numbers)}") for order, _ in batch]
        producer.begin_transaction()
        for row in tried:
            producer.send(topic, json.dumps(row).encode(), key=row["customer"].encode())
        producer.flush()
        fails = any(fails for _, fails in batch)
        (producer.abort_transaction if fails else producer.commit_transaction)()
        (aborted if fails else committed).extend(tried)
    producer.close()
    return topic, committed, aborted


def fates(rng: random.Random) -> Iterator[list[tuple[int, bool]]]:
    """Yield batches of orders with whether their transaction fails; most that fail come again."""
    first = rng.randrange(1000, 9000)
    bad = rng.sample(range(10), 4)
    for number in range(10):
        orders = [first + number * 4 + n for n in range(4)]
        yield [(order, number in bad) for order in orders]
        if number in bad[1:]:
            yield [(order, False) for order in orders]


def payment(rng: random.Random, order: int, name: str) -> Row:
    return {
        "payment": name,
        "order": order,
        "customer": f"c{order % 3 + 1}",
        "amount": rng.randrange(500, 20000),
    }


def running_totals(payments: list[Row]) -> dict[str, int]:
    """Return for each payment its customer's total when it was added."""
    totals: Counter[str] = Counter()
    found = {}
    for row in payments:
        totals[row["customer"]] += row["amount"]
        found[row["payment"]] = totals[row["customer"]]
    return found


@exercise(
    title="Count committed payments only",
    points=10,
    hints=[
        "Compare the running total of one customer with the payments that were committed, in their order.",
        "Who sets nothing reads everything: isolation_level is 'read_uncommitted' unless you say otherwise, and so records of aborted transactions come along.",
        "A record does not say whether its transaction was aborted. An order may be tried again, so neither its first nor its last payment need be the one that counts: let the consumer tell them apart.",
        "Every committed payment counts once, of all partitions.",
    ],
)
def committed_only(answer: Worker, case: Case) -> Expectations:
    source, committed, aborted = attempts(case)
    target = case.topic()
    run = answer.run(names(case, source, target))
    got = case.read(target)
    yield expect("the worker ends in order", run.returncode, equals=0, given=run.errors)
    forbidden = logs.aborted_read(got, aborted, "payment")
    shown = [row for row in aborted if row["payment"] in forbidden]
    yield expect("no aborted payment is counted", shown, equals=[], given="aborted read", hint=2)
    missing = logs.lost(committed, got, "payment")
    shown = [row for row in committed if row["payment"] in missing]
    hint = 3 if forbidden else 4
    yield expect("every committed payment counts", shown, equals=[], given="lost", hint=hint)
    yield expect(
        "the running total after each committed payment",
        {row["payment"]: row.get("total") for row in got if row.get("payment") not in forbidden},
        equals=running_totals(committed),
        given="by payment",
        hint=2 if forbidden else 4 if missing else 1,
    )


# %% visible


def is_data(entry: Row) -> bool:
    return bool(entry["entry"] == "data")


def given_to_readers(log: list[Row]) -> dict[str, Any]:
    """Return the last stable offset, and the committed values before it (KIP-98)."""
    first, end = first_of_open(log), log[-1]["offset"] + 1
    stable = min(first.values(), default=end)
    values = [
        entry["value"]
        for at, entry in enumerate(log)
        if is_data(entry) and entry["offset"] < stable and fate(log, at) == "commit"
    ]
    return {"last_stable_offset": stable, "values": values}


def fate(log: list[Row], at: int) -> str:
    """Return how the transaction of a record ended: by its producer's next marker."""
    mine = [e["entry"] for e in log[at:] if e["producer"] == log[at]["producer"]]
    return next((kind for kind in mine if kind != "data"), "") if log[at]["producer"] else "commit"


def first_of_open(log: list[Row]) -> dict[str, int]:
    """Return the first offset of each producer's transaction that has not ended."""
    first: dict[str, int] = {}
    for entry in log:
        if not is_data(entry):
            first.pop(entry["producer"], None)
        elif entry["producer"]:
            first.setdefault(entry["producer"], entry["offset"])
    return first


def draw_log(rng: random.Random, still_open: bool) -> list[Row]:
    """Draw a partition's log of three producers with transactions and one without.

    At its end all transactions have ended, but for one if one is ``still_open``.
    """
    log: list[Row] = []
    running: set[str] = set()

    def add(producer: str, kind: str, value: str | None = None) -> None:
        log.append({"offset": 0, "producer": producer, "entry": kind, "value": value})

    for number in range(rng.randrange(14, 22)):
        producer = rng.choice(["p1", "p2", "p3", ""])
        if producer in running and rng.random() < 0.5:
            running.remove(producer)
            add(producer, rng.choice(["commit", "commit", "abort"]))
        else:
            add(producer, "data", f"v{number}")
            running |= {producer} - {""}
    for producer in sorted(running):
        add(producer, rng.choice(["commit", "abort"]))
    if still_open:
        at = rng.randrange(3, len(log) - 3)
        open_one = {"producer": "p4", "entry": "data"}
        log[at:at] = [{"offset": 0, **open_one, "value": "v98"}]
        log[at + 2 : at + 2] = [{"offset": 0, **open_one, "value": "v99"}]
    begin = rng.randrange(500)
    return [{**entry, "offset": begin + number} for number, entry in enumerate(log)]


@exercise(
    title="What a reader of committed records is given",
    points=15,
    hints=[
        "The last stable offset is the offset of the first record of the earliest transaction that is still open; with none open it is the end of the log: the last offset + 1. Readers get committed records before it, by offset.",
        "An open transaction stops the reader: nothing at or after its first record is given out yet, not even what others have committed there.",
        "Records whose transaction was aborted are never given to a reader of committed records.",
        "Readers get records by offset, not in the order in which their transactions were committed.",
        "Markers are entries of the log and each takes an offset. They count for offsets, but they are no records.",
        "A record without a producer was written outside of any transaction. It counts at once, and opens nothing.",
        "A producer has one transaction after the other. For a record its producer's next marker decides, not the last one.",
    ],
)
def visible(answer: Function, case: Case) -> Expectations:
    calls = [(draw_log(case.rng, number % 2 == 1),) for number in range(30)]
    for number, ((log,), found) in enumerate(zip(calls, answer.map(calls), strict=False)):
        due = given_to_readers(log)
        told = found if isinstance(found, dict) else {}
        which = "one transaction open" if number % 2 else "all transactions ended"
        yield expect(
            f"the last stable offset, {which}",
            told.get("last_stable_offset", found),
            equals=due["last_stable_offset"],
            given=compact(log),
            mistakes=other_ends(log),
        )
        yield expect(
            f"the values given, {which}",
            told.get("values", found),
            equals=due["values"],
            given=compact(log),
            mistakes=other_values(log),
        )


def other_ends(log: list[Row]) -> dict[int, int]:
    """Return the last stable offsets that misconceptions give, by hint."""
    end = log[-1]["offset"] + 1
    plain = [e["offset"] for e in log if not e["producer"]]
    return {
        2: end,
        5: log[0]["offset"] + sum(map(is_data, log)),
        6: min([*first_of_open(log).values(), *plain, end]),
    }


def other_values(log: list[Row]) -> dict[int, list[str]]:
    """Return the values that misconceptions give, by hint."""
    right = given_to_readers(log)
    before = [e for e in log if is_data(e) and e["offset"] < right["last_stable_offset"]]
    last = {e["producer"]: e["entry"] for e in log if not is_data(e)} | {"": "commit"}
    return {
        2: [e["value"] for at, e in enumerate(log) if is_data(e) and fate(log, at) == "commit"],
        3: [e["value"] for e in before],
        4: by_commit(log, right["last_stable_offset"]),
        6: [e["value"] for e in before if e["value"] in right["values"] and e["producer"]],
        7: [e["value"] for e in before if last.get(e["producer"]) == "commit"],
    }


def by_commit(log: list[Row], stable: int) -> list[str]:
    """Return the right values, each where its transaction's marker stands."""
    held: dict[str, list[str]] = {}
    values: list[str] = []
    for entry in log:
        mine = held.setdefault(entry["producer"], [])
        if is_data(entry) and entry["offset"] < stable:
            (mine if entry["producer"] else values).append(entry["value"])
        elif not is_data(entry):
            values += mine if entry["entry"] == "commit" else []
            mine.clear()
    return values


def compact(log: list[Row]) -> str:
    """Return a log as one line of text."""
    return " ".join(
        f"{e['offset']}:{e['producer'] or '-'}:{e['value'] or e['entry'].upper()}" for e in log
    )


# %% abort_on_error

BROKEN = "no part of a broken order is visible"
ASIDE = "each broken order is in the dead-letter topic, once"


def with_broken_orders(case: Case, number: int) -> tuple[list[Row], list[Row]]:
    """Draw orders; a few have, behind at least one good item, one whose price is no number.

    One of them is among the first of each partition: so each worker's first batch has one.
    """
    orders = shop.orders(case.rng, number)
    several = [order for order in orders if len(order["items"]) > 1]
    first = [[o for o in several if murmur2(o["customer"].encode()) % 2 == p][:3] for p in (0, 1)]
    broken = [case.rng.choice(some) for some in first if some]
    broken.append(case.rng.choice([order for order in several if order not in broken]))
    for order in broken:
        order["items"][-1]["price"] = "n/a"
    return [order for order in orders if order not in broken], broken


@exercise(
    title="Abort on error, and carry on",
    points=20,
    hints=[
        "When an order cannot be processed: abort, begin a new transaction, and in it write all good orders of the batch, the broken one to the dead-letter topic, and the offsets.",
        "Lines of the broken order had been sent before the error came. Who then commits, commits them as well: abort_transaction first.",
        "An abort takes back all that the transaction has written, also the good orders of the batch, and the letter to the dead-letter topic. Write them again in the next transaction; the consumer has moved on and will not give them again by itself.",
        "A broken order comes back after every restart. A worker that dies of it dies for ever: catch the error, and move on past it.",
        "The dead letter belongs into the transaction, too: with the same producer, together with the offset.",
        "A transaction that was begun must end: commit it or abort it, also when an error has come.",
        "Records and offsets belong into one transaction, for every batch.",
    ],
)
def abort_on_error(answer: Worker, case: Case) -> Expectations:
    good, broken = with_broken_orders(case, 48)
    source = case.topic(
        sorted(good + broken, key=lambda order: int(order["order"])), key="customer", partitions=2
    )

    def prepare() -> tuple[dict[str, str], Callable[[], Broken]]:
        target, dead = case.topic(partitions=2), case.topic()

        def judge() -> Broken:
            got, letters = case.read(target), case.read(dead)
            return {
                BROKEN: logs.phantom(good, got, "order"),
                LOST: logs.lost([x for o in good for x in lines(o)], got, "line"),
                TWICE: logs.duplicated(got, "line"),
                ASIDE: logs.lost(broken, letters, "order")
                + logs.duplicated(letters, "order")
                + logs.phantom(broken, letters, "order"),
                OPEN: left_open(case, target, dead),
            }

        return names(case, source, target) | {"DEAD_LETTER_TOPIC": dead}, judge

    hints: dict[str, Hint] = {
        BROKEN: 2,
        LOST: why_not_again,
        TWICE: 7,
        ASIDE: why_no_letter,
        OPEN: 6,
    }
    yield from survives(answer, case, prepare, hints, seconds=PATIENT)


def why_not_again(trial: Trial) -> int:
    if trial.run.returncode:
        return 4
    return 6 if trial.broken[OPEN] else 3


def why_no_letter(trial: Trial) -> int:
    if trial.run.returncode:
        return 4
    return 5 if trial.point else 3


# %% fenced

ALSO_FROZEN_AT = ("TxnOffsetCommit", "AddOffsetsToTxn")
"""Not at Produce: there kafka-python 3.0.12 first tries for a new epoch, and whatever the worker
asks for meanwhile fails with other errors than that it is fenced."""

SILENT = "the zombie ends no transaction any more"
REPLACED = 3
"""The exit code that tells the supervisor not to start a worker again."""


@exercise(
    title="Know that you are a zombie",
    points=15,
    hints=[
        "A worker that was replaced must stop: catch ProducerFencedError, write nothing more, and end with exit code 3.",
        "The successor has handled the batch. Who writes it again after having been fenced, with a new producer, duplicates it: let it go.",
        "A transactional id of its own for each start fences nobody: the woken zombie commits what it had in hand. All starts of one worker share one id, here TRANSACTIONAL_ID.",
        "Records and offsets must be in one transaction: without it nothing tells the broker that this worker was replaced, or its offsets count although its records do not.",
        "End with sys.exit(3): another error would make the supervisor start the zombie again, and then the two fence each other in turn.",
    ],
)
def fenced(answer: Worker, case: Case) -> Expectations:
    orders = shop.orders(case.rng, 60)
    source = case.topic(orders, key="customer", partitions=2)
    for kind in ("EndTxn", case.rng.choice(ALSO_FROZEN_AT)):
        found = haunt(answer.workspace, stage(case, orders, source), kind, 2, PATIENT)
        case.progress(f"frozen at its 2nd {kind}")
        yield from judge_zombie(found, f"frozen at its 2nd {kind}, replaced, woken")


def judge_zombie(found: Haunting, where: str) -> Expectations:
    errors = found.zombie.errors[-SHOWN:]
    ended = found.successor.returncode
    yield expect("the worker that replaces it ends in order", ended, equals=0, given=errors)
    yield expect("it works in transactions", found.frozen, equals=True, given=where, hint=4)
    hint = why_haunted(found)
    harmless = not any(found.broken.values()) and found.frozen
    for name in (LOST, TWICE):
        offending = list(found.broken[name]) if found.frozen else "it was not frozen"
        yield expect(name, offending, equals=[], given=where, hint=hint)
    ended_later = after_waking(found) if found.frozen else "it was not frozen"
    yield expect(SILENT, ended_later, equals=[], given=where, hint=hint)
    yield expect(
        "the zombie ends with exit code 3",
        found.zombie.returncode,
        equals=REPLACED,
        given=f"{where}; {errors}",
        hint=5 if harmless else hint,
    )


def stage(case: Case, orders: list[Row], source: str) -> Stage:
    """Return fresh topics for a worker and its successor."""
    target = case.topic(partitions=2)

    def judge() -> Broken:
        got = case.read(target)
        return {LOST: logs.lost(orders, got, "order"), TWICE: logs.duplicated(got, "line")}

    return Stage(names(case, source, target), judge, case.release)


def after_waking(found: Haunting) -> list[str]:
    """Return which transactions a zombie has ended, or tried to, after it was woken."""
    woken = [seconds for seconds, _, what in found.trace.marks if what == "woken"]
    return [
        f"{event.kind} {event.number}"
        for event in found.trace.durable("zombie")
        if woken and event.kind == "EndTxn" and event.seconds > woken[0]
    ]


def why_haunted(found: Haunting) -> int:
    zombie = [event.kind for event in found.trace.durable("zombie")]
    if "OffsetCommit" in zombie or "EndTxn" not in zombie:
        return 4
    return 2 if zombie.count("InitProducerId") > 1 else 3


# %% charge_once

CHARGED = "every order is charged"
CHARGED_TWICE = "no order is charged twice"
BOOKED = "every order is booked once"


@exercise(
    title="Charge once, over HTTP",
    points=15,
    hints=[
        "A transaction of Kafka's covers topics and offsets. An HTTP call in the middle of it is not taken back and not held back: after a crash it is made again.",
        "Without the header Idempotency-Key the service cannot know a repetition from a new charge.",
        "The key must be the same when the call is repeated after a crash: it must come from the order, not from a random number or a clock.",
        "The key must differ between orders: two orders of one batch, one customer or one amount are two charges.",
        "Commit only when the charge is made: what is committed first is never charged when a crash comes between.",
        "The booking and the offset still belong into one transaction.",
    ],
)
def charge_once(answer: Worker, case: Case) -> Expectations:
    orders = shop.orders(case.rng, 24, customers=3)
    orders[5]["amount"] = orders[17]["amount"] = orders[0]["amount"]
    source = case.topic(orders, key="customer", partitions=2)
    with ExitStack() as services:

        def prepare() -> tuple[dict[str, str], Callable[[], Broken]]:
            target = case.topic(partitions=2)
            payments = services.enter_context(Payments())

            def judge() -> Broken:
                charges, got = list(payments.charges), case.read(target)
                return {
                    CHARGED: logs.lost(orders, charges, "order"),
                    CHARGED_TWICE: logs.duplicated(charges, "order"),
                    BOOKED: logs.lost(orders, got, "order") + logs.duplicated(got, "order"),
                }

            return names(case, source, target) | {"PAYMENTS_URL": payments.url}, judge

        hints: dict[str, Hint] = {
            CHARGED: why_uncharged,
            CHARGED_TWICE: why_charged_twice,
            BOOKED: 6,
        }
        yield from survives(answer, case, prepare, hints, seconds=PATIENT)


def why_uncharged(trial: Trial) -> int:
    return 5 if trial.point else 4


def why_charged_twice(trial: Trial) -> int:
    keyed = any(b"idempotency-key" in e.request.data.lower() for e in posts(trial))
    return 3 if keyed else 2


def posts(trial: Trial) -> list[Any]:
    return [event for event in trial.trace.events if event.kind == "POST"]


# %% bytewax_once

BOOKED_ONCE = "whoever drops repeated ids has each order once"
TOTALS = "each total is right"
RESUMES = "it goes on where it was"
CLASHES, TOO_MUCH = "ids that two orders share", "totals that are too large"
AGAIN = 20
"""How many results a crash may repeat: some steps of the dataflow, far from all."""


@exercise(
    title="Bytewax: recovery and repeated results",
    points=20,
    hints=[
        "Look at the evidence: which orders, and after which crash? A result must come out the same when it is computed again.",
        "The id must be the same whenever the result is computed again: take what identifies the order, not a random number.",
        "An id that counts from zero at each start is given to two orders. Take what identifies the order.",
        "After the crash the totals begin at zero, while the input goes on. State and position belong together: let stateful_map keep the state, and run_main the RecoveryConfig.",
        "After the crash the input begins anew, and what had been added is added again. State and position belong together: let stateful_map keep the state, and run_main the RecoveryConfig.",
        "All was computed again from the first record on: give run_main recovery_config=RecoveryConfig(folder), and a short epoch_interval, so that little is repeated.",
        "The recovery store is made once: init_db_dir only when the folder is not there yet.",
    ],
)
def bytewax_once(answer: Worker, case: Case) -> Expectations:
    orders = shop.orders(case.rng, 60)
    source = case.topic(orders, key="customer", partitions=2)
    clean = run_once(answer.workspace, totals_stage(case, orders, source), seconds=PATIENT)
    yield expect("the worker ends in order", clean.run.returncode, equals=0, given=clean.run.errors)
    yield from judge_totals("without a crash", clean)
    if any(clean.broken.values()) or clean.run.returncode:
        for name in (BOOKED_ONCE, TOTALS, RESUMES):
            why = "it was not killed at all: mend what is wrong without a crash first"
            yield expect(f"after a crash: {name}", why, equals="tried")
        return

    def crashed(point: Point) -> Trial:
        made = totals_stage(case, orders, source)
        return run_once(answer.workspace, made, point, PATIENT)

    with ThreadPoolExecutor(2) as pool:
        for trial in pool.map(crashed, late_points(clean, case.rng)):
            case.progress(str(trial.point))
            yield from judge_totals("after a crash", trial)


def late_points(clean: Trial, rng: random.Random) -> list[Point]:
    """Return crash points at the first and at a late Produce of a run."""
    produced = sum(event.kind == "Produce" for event in clean.trace.durable())
    early = math.ceil(produced * 0.7)
    late = rng.randint(early, max(early, produced - 2))
    return [
        Point("after", "Produce", 1),
        Point("before", "Produce", late),
        Point("after", "Produce", late),
    ]


def totals_stage(case: Case, orders: list[Row], source: str) -> Stage:
    """Return a fresh topic for totals, and how they are judged."""
    target = case.topic(partitions=2)
    due = totals_by_order(orders)

    def judge() -> Broken:
        got = case.read(target)
        by_id = {str(row.get("id")): row for row in reversed(got)}
        kept = list(by_id.values())
        again = logs.duplicated(got, "order")
        return {
            BOOKED_ONCE: logs.lost(orders, kept, "order") + logs.duplicated(kept, "order"),
            TOTALS: [row for row in got if row.get("total") != due.get(str(row.get("order")))],
            RESUMES: again if len(again) > AGAIN else [],
            CLASHES: logs.lost(orders, kept, "order"),
            TOO_MUCH: [row for row in got if _number(row) > due.get(str(row.get("order")), 0)],
        }

    return Stage(names(case, source, target), judge, case.release)


def totals_by_order(orders: list[Row]) -> dict[str, int]:
    """Return for each order its customer's total after it."""
    sums: Counter[str] = Counter()
    found = {}
    for order in orders:
        sums[order["customer"]] += order["amount"]
        found[str(order["order"])] = sums[order["customer"]]
    return found


def _number(row: Row) -> float:
    total = row.get("total")
    return total if isinstance(total, int | float) else 0


def judge_totals(when: str, trial: Trial) -> Expectations:
    where = str(trial.point or "a run that nobody disturbs")
    if trial.run.returncode:
        where = f"{where}; it ended with: {trial.run.errors.strip().splitlines()[-1:]}"
    for name in (BOOKED_ONCE, TOTALS, RESUMES) if trial.point else (BOOKED_ONCE, TOTALS):
        offending = list(trial.broken[name])
        yield expect(f"{when}: {name}", offending, equals=[], given=where, hint=why(name, trial))


def why(name: str, trial: Trial) -> int:
    """Return the hint that a broken property of the totals earns."""
    if trial.run.returncode:
        return 7
    if name == RESUMES:
        return 6
    if name == BOOKED_ONCE:
        return 3 if trial.broken[CLASHES] else 2
    return (5 if trial.broken[TOO_MUCH] else 4) if trial.point else 1


# %% transaction_size


def size_task(rng: random.Random) -> dict[str, Any]:
    """Return the measured cost of a transaction and of a record, and the share to reach."""
    return {
        "per_transaction_ms": rng.choice([9, 12, 15, 18, 24]),
        "per_record_ms": rng.choice([0.05, 0.08, 0.1, 0.2]),
        "share": rng.choice([0.6, 0.75, 0.8, 0.9, 0.95]),
    }


def smallest_batch(task: dict[str, Any], share: float) -> int:
    """Return how many records a transaction needs to reach this share of the full throughput."""
    work = task["per_record_ms"]
    return next(
        n
        for n in range(1, 10**6)
        if n * work >= share * (task["per_transaction_ms"] + n * work) - 1e-9
    )


@exercise(
    title="How large should a transaction be?",
    points=5,
    task=size_task,
    hints=[
        "A batch of n records takes per_transaction_ms + n * per_record_ms. Its throughput is n divided by that; without transactions it would be 1 / per_record_ms.",
        "Not the share, but what is left over for the transaction: with 90 % of the throughput, the fixed cost is a tenth of the whole time.",
        "The smallest that reaches the share: one record fewer must not reach it.",
        "The time of the whole batch counts, records and transaction, not only the ratio of the two costs.",
    ],
)
def transaction_size(answer: Choice, case: Case) -> Expectations:
    task = transaction_size.task_for(answer.student)
    value, due = answer.value, smallest_batch(task, task["share"])
    whole = isinstance(value, int) and not isinstance(value, bool) and value > 0
    yield expect("a whole number of records", whole, equals=True, given=value)
    ratio = task["per_transaction_ms"] / task["per_record_ms"]
    yield expect(
        "the smallest that reaches the share",
        value,
        equals=due,
        given=task,
        mistakes={
            2: smallest_batch(task, 1 - task["share"]),
            3: value if whole and due < value <= 2 * due else due - 1,
            4: math.ceil(ratio * task["share"]),
        },
    )
