"""What is checked in lab 12, Structured Streaming, and the hints."""

import random
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from pyspark.errors import PySparkException

from streamgym.checks import (
    Case,
    Choice,
    Expectations,
    Function,
    Plan,
    Query,
    databases,
    exercise,
    expect,
    plans,
    queries,
    topics,
)
from streamgym.checks.answers import Raised, Ungradable
from streamgym.data import shop, streams
from streamgym.faults.sweep import Trial

MINUTE = timedelta(minutes=1)
TILL = timezone(timedelta(hours=1))
"""The tills of the shop write down local time, with its offset."""

SCHEMA = "order long, customer string, region string, product string, amount long, placed timestamp"
Record = dict[str, Any]
Rows = list[dict[str, Any]]


# %% The data: orders in the order of their arrival


def placed_orders(case: Case, number: int, seconds: int = 20) -> list[Record]:
    """Return orders, one every so many seconds, as the tills sent them; a fifth comes late."""
    begin = datetime(2026, 3, case.rng.randrange(1, 28), 8, tzinfo=TILL)
    begin += case.rng.randrange(600) * timedelta(seconds=1)
    orders = [
        sent(case, order, begin + n * seconds * timedelta(seconds=1))
        for n, order in enumerate(shop.orders(case.rng, number, customers=6))
    ]
    return sorted(orders, key=lambda order: moment(order) + delay(case.rng))


def sent(case: Case, order: Record, placed: datetime) -> Record:
    return {
        "order": order["order"],
        "customer": order["customer"],
        "region": case.rng.choice(["north", "south"]),
        "product": order["items"][0]["product"],
        "amount": order["amount"],
        "placed": placed.isoformat(),
    }


def delay(rng: random.Random) -> timedelta:
    """Return how long after it was placed an order arrives: at most nine minutes."""
    return rng.uniform(5, 9) * MINUTE if rng.random() < 0.2 else rng.uniform(0, 1) * MINUTE


def moment(record: Record, name: str = "placed") -> datetime:
    return datetime.fromisoformat(record[name])


def kafka(case: Case, topic: str, per_batch: int) -> Any:
    """Return a topic as Spark reads it: key, value, topic, partition, offset, timestamp."""
    return streams.read(case.world.spark(), case.world.kafka(), topic, per_batch)


def stream(case: Case, topic: str, per_batch: int, schema: str = shop.SPARK_SCHEMA) -> Any:
    """Return a topic as typed columns, with the time of Kafka's own log as ``arrived``."""
    return streams.read_json(case.world.spark(), case.world.kafka(), topic, schema, per_batch)


# %% What came out


def streamed(relation: bytes | Raised, case: Case) -> plans.Streamed | Raised:
    return relation if isinstance(relation, Raised) else plans.stream(relation, case.world.spark())


def cell(value: Any) -> Any:
    """Return a value of a row; Spark's client gives times in the machine's own zone, without it."""
    with suppress(OverflowError, ValueError, OSError):  # the very first and last years
        return value.astimezone(UTC) if isinstance(value, datetime) else value
    return value


def column(rows: Iterable[Record], name: str, by: str = "order") -> dict[str, Any]:
    """Return a column's values by another column's."""
    return {shown(row.get(by)): cell(row.get(name)) for row in rows}


def shown(value: Any) -> str:
    return f"{cell(value):%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value)


def names(rows: Iterable[Record], by: str = "order") -> list[str]:
    return sorted(shown(row.get(by)) for row in rows)


def repeated(rows: Iterable[Record], by: str = "order") -> list[str]:
    return sorted(name for name, times in Counter(names(rows, by)).items() if times > 1)


def parquet(case: Case, path: Path) -> Rows:
    """Return the rows of a folder of Parquet; none when there is no such folder."""
    try:
        found = case.world.spark().read.parquet(str(path)).collect()
    except PySparkException:
        return []
    return [row.asDict(recursive=True) for row in found]


def complaint(error: str, about: dict[str, int]) -> int:
    """Return the hint for an error of Spark's that speaks of one of these; else the first."""
    return next((hint for word, hint in about.items() if word in error.lower()), 1)


# %% typed


@exercise(
    title="From Kafka's bytes to typed orders",
    points=10,
    hints=[
        "Cast value to a string, read it with from_json and a schema, and take the fields of the struct.",
        "The column timestamp is Kafka's: when the record was written to the log. The order's own time is in its JSON.",
        "The till's time ends with its offset, +01:00. Cut it off, and each order is an hour wrong: let Spark read the whole text as a timestamp.",
        "Not every record is an order. from_json gives NULL for what it cannot find: leave those rows out.",
        "amount is a number of cents, not text: say so in the schema.",
    ],
)
def typed(answer: Plan, case: Case) -> Expectations:
    orders = placed_orders(case, 40)
    pings = [{"ping": n} for n in range(4)]
    sent_in = sorted([*orders, *pings], key=lambda _: case.rng.random())
    source = plans.to_message(kafka(case, case.topic(sent_in), 25))
    result = streamed(answer.relation(source), case)
    if isinstance(result, Raised):
        yield expect("the query runs", result, equals="a running query")
        return
    yield expect("the query runs", "yes", equals="yes")
    rows = result.rows
    strangers = 4 if "None" in names(rows) else 1
    yield expect("every order, and nothing else", names(rows), equals=names(orders), hint=strangers)
    yield from judge_columns(rows, orders)


def judge_columns(rows: Rows, orders: list[Record]) -> Expectations:
    for name in ("customer", "region", "product", "amount"):
        due = column(orders, name)
        as_text = {order: str(value) for order, value in due.items()}
        yield expect(
            "customer, region, product and amount",
            column(rows, name),
            equals=due,
            given=f"{name} by order",
            mistakes={5: as_text},
        )
    due = {str(order["order"]): moment(order).astimezone(UTC) for order in orders}
    got = {order: time for order, time in column(rows, "placed").items() if order in due}
    yield expect(
        "the time at which the order was placed",
        got,
        equals=due,
        given="placed by order, in UTC",
        mistakes={
            2: got if any(later_than(time, due[order]) for order, time in got.items()) else None,
            3: {order: time + timedelta(hours=1) for order, time in due.items()},
        },
    )


def later_than(time: Any, placed: datetime) -> bool:
    return isinstance(time, datetime) and abs(time - placed) > timedelta(hours=12)


# %% five_minutes

SIZE = 5 * MINUTE
PATIENCE = 20 * MINUTE
BATCH = 25


@exercise(
    title="Revenue in five-minute windows",
    points=15,
    hints=[
        "Take a window that is wrong, and add up the orders that were placed in it.",
        "Windows are cut by placed. arrived and the present moment are processing time: they change with every replay.",
        "Tell Spark to wait for 20 minutes: withWatermark on placed, before you group.",
        "Spark keeps a window until the watermark passes its end. With a watermark that never gets there, nothing comes out and the state grows.",
        "Append mode needs a watermark on the very column that the windows are cut by, and before groupBy: afterwards it is too late.",
        "The starts are an hour off. A timestamp is a moment, the same in every zone: do not convert it.",
        "Tumbling windows of five minutes: no slide, and no other size.",
    ],
)
def five_minutes(answer: Plan, case: Case) -> Expectations:
    orders = with_stragglers(case, placed_orders(case, 98, seconds=25))
    source = plans.to_message(stream(case, case.topic(orders), BATCH))
    result = streamed(answer.relation(source), case)
    if isinstance(result, Raised):
        hint = complaint(result.error, {"watermark": 5})
        yield expect("the query runs", result, equals="a running query", hint=hint)
        return
    yield expect("the query runs", "yes", equals="yes")
    due, hasty = (closed(orders, patience) for patience in (PATIENCE, 0 * MINUTE))
    yield from judge_windows(result, due, hasty)
    yield expect(
        "only open windows are kept in state",
        result.state_rows,
        equals=due.still_open,
        given="rows of state at the end",
        mistakes={3: hasty.still_open},
        hint=4,
    )


def with_stragglers(case: Case, orders: list[Record]) -> list[Record]:
    """Hold two early orders back until hardly anything else is to come."""
    early = set(case.rng.sample(range(8), 2))
    kept = [order for n, order in enumerate(orders) if n not in early]
    return [*kept[:-3], *(orders[n] for n in sorted(early)), *kept[-3:]]


@dataclass(frozen=True)
class Closed:
    """The windows that a query in append mode gives by their start, and how many it still holds."""

    windows: dict[str, list[int]]
    still_open: int


def closed(orders: Sequence[Record], patience: timedelta) -> Closed:
    """Return what append mode gives for micro-batches of ``BATCH`` records.

    The watermark moves between micro-batches. A window comes out when the watermark reaches its
    end; an order is dropped when its window came out before its micro-batch began (Spark's guide,
    "Handling Late Data and Watermarking", and SPARK-40925).
    """
    batches = [orders[n : n + BATCH] for n in range(0, len(orders), BATCH)]
    newest = [max(map(moment, orders[: (n + 1) * BATCH])) for n in range(len(batches))]
    windows: dict[datetime, list[int]] = {}
    for number, batch in enumerate(batches):
        gone = newest[number - 2] - patience if number > 1 else None
        for order in batch:
            start = window_of(moment(order))
            if gone is None or start + SIZE > gone:
                found = windows.get(start, [0, 0])
                windows[start] = [found[0] + 1, found[1] + order["amount"]]
    out = {s: v for s, v in windows.items() if s + SIZE <= newest[-1] - patience}
    return Closed({shown(s): v for s, v in out.items()}, len(windows) - len(out))


def window_of(time: datetime) -> datetime:
    return time - timedelta(seconds=time.timestamp() % SIZE.total_seconds())


def judge_windows(result: plans.Streamed, due: Closed, hasty: Closed) -> Expectations:
    rows, suspicious = result.rows, suspicion(result, due)
    if rows:
        twice = repeated(rows, "start")
        yield expect("each window comes out once", twice, equals=[], given="starts")
    yield expect(
        "the right windows come out",
        names(rows, "start"),
        equals=sorted(due.windows),
        given="starts, in UTC",
        mistakes={3: sorted(hasty.windows)},
        hint=suspicious,
    )
    for position, name in enumerate(["orders", "revenue"]):
        wanted, early = (
            {start: values[position] for start, values in c.windows.items()} for c in (due, hasty)
        )
        yield expect(
            f"{name} of each window",
            column(rows, name, by="start"),
            equals=wanted,
            given="by start, in UTC",
            mistakes={3: early},
            hint=suspicious,
        )


def suspicion(result: plans.Streamed, due: Closed) -> int:
    """Return the hint that the windows, or what is left in state, earn."""
    starts, first = names(result.rows, "start"), min(due.windows)
    if not starts:  # every window of placed is still open, or there are others
        return 4 if result.state_rows >= len(due.windows) + due.still_open else 2
    if all(start[:10] != first[:10] for start in starts):
        return 2
    hour = f"{datetime.fromisoformat(first) + timedelta(hours=1):%Y-%m-%d %H:%M:%S}"
    return 6 if starts[0] == hour else 7 if overfull(result.rows, due) else 1


def overfull(rows: Rows, due: Closed) -> bool:
    """Return whether a window holds more orders than were placed in it."""
    got = column(rows, "orders", by="start")
    return any(type(got.get(s)) is int and got[s] > n for s, (n, _) in due.windows.items())


# %% modes

MODES = ("append", "update", "complete")
WINDOW = "F.window('placed', '5 minutes')"
PATIENT = "orders.withWatermark('placed', '10 minutes')"
JOINED = (
    "{p}.join({p}.selectExpr('order AS other', 'placed AS then'), "
    "F.expr('order = other AND then BETWEEN placed AND placed + INTERVAL 1 MINUTE'), 'left')"
)
POOLS = (
    ("orders.where('amount > 1000')", "orders.withColumn('euros', F.col('amount') / 100)"),
    (f"{PATIENT}.groupBy({WINDOW}).count()", f"{PATIENT}.groupBy({WINDOW}, 'customer').count()"),
    (f"orders.groupBy({WINDOW}).count()", f"{PATIENT}.groupBy('customer').count()"),
    ("orders.groupBy('customer').count().orderBy('count')", JOINED.format(p=PATIENT)),
)
"""Queries in Python, for students to read and for Spark to try; each student gets one of each."""

accepted: dict[tuple[str, str], bool] = {}
"""Whether Spark has started a query in a mode; what it once said, it says again."""


def modes_task(rng: random.Random) -> dict[str, Any]:
    chosen = [rng.choice(pool) for pool in POOLS]
    rng.shuffle(chosen)
    return {"queries": dict(zip("abcd", chosen, strict=True))}


@exercise(
    title="Which output modes does a query allow?",
    points=10,
    task=modes_task,
    hints=[
        "Give a list of modes for each letter. You need not guess: start the query in that mode, and read what Spark says.",
        "append never takes a row back. A group that can always change has no last word, unless a watermark on the very thing it is grouped by closes it.",
        "complete writes the whole result anew each time. Without an aggregation that would be every row that ever came.",
        "update sends rows again when they change. Something sorted, or the 'nobody came' of an outer join, cannot be given out like that.",
    ],
)
def modes(answer: Choice, case: Case) -> Expectations:
    shapes = modes.task_for(answer.student)["queries"]
    value = answer.value
    for mode, hint in zip(MODES, (2, 4, 3), strict=True):
        yield expect(
            f"the queries that Spark starts in {mode} mode",
            [letter for letter in shapes if mode in listed(value, letter)],
            equals=[letter for letter, text in shapes.items() if starts(case, text, mode)],
            given=value,
            hint=hint,
        )


def listed(value: Any, letter: str) -> list[Any]:
    found = value.get(letter) if isinstance(value, dict) else None
    return found if isinstance(found, list) else [found]


def starts(case: Case, text: str, mode: str) -> bool:
    """Return whether Spark starts a query in this output mode: it is started, and stopped."""
    if (text, mode) not in accepted:
        accepted[text, mode] = tried(case, text, mode)
    return accepted[text, mode]


def tried(case: Case, text: str, mode: str) -> bool:
    from pyspark.sql import functions as F

    rate = case.world.spark().readStream.format("rate").load()
    orders = rate.selectExpr(
        "value AS order", "'c1' AS customer", "value AS amount", "timestamp AS placed"
    )
    writer = eval(text, {"orders": orders, "F": F}).writeStream.format("noop").outputMode(mode)
    try:
        writer.trigger(processingTime="1 hour").start().stop()
    except PySparkException:
        return False
    return True


# %% archive


@exercise(
    title="An archive that is filled every night",
    points=15,
    hints=[
        'Filter the region, write Parquet to f"{folder}/{region}", and give the query a checkpoint of its own.',
        "A query with a processing-time trigger, or with none, waits for more orders for ever. The night's job must end: availableNow.",
        "The trigger once puts all that waits into one micro-batch, however much it is. availableNow keeps to the limit.",
        "The second query found the first one's checkpoint, and believed that all was done. A checkpoint belongs to one query.",
        "The next night the query did not know what it had done. Its checkpoint must be at the same place every night.",
        "Orders of the other region are in the folder.",
        "Files can only be appended to. complete is for sinks that can be overwritten, update for those with a key.",
    ],
)
def archive(answer: Query, case: Case) -> Expectations:
    orders = placed_orders(case, 40)
    topic = case.topic(orders[:25])
    source = plans.to_message(stream(case, topic, 15))
    # On the second night one region is enough: that of the first order which is new then.
    runs = [(1, "north"), (1, "south"), (2, orders[25]["region"])]
    with queries.folder(case.world.spark()) as folder:
        for night, region in runs:
            if night == 2:
                topics.produce(case.world.kafka(), topic, orders[25:], "")
            message = answer.writer([source], region, str(folder))
            error = finished(message, case).error
            yield from judge_run(message, error, region)
            if error:
                return
            known = orders[:25] if night == 1 else orders
            rows = parquet(case, folder / region)
            yield from judge_archive(rows, known, region, night)


def judge_run(message: bytes | Raised, error: str, region: str) -> Expectations:
    hint = complaint(error, {"output mode": 7})
    yield expect("the query runs", error, equals="", given=region, hint=hint)
    if isinstance(message, bytes):
        trigger = queries.settings(message).trigger
        hint = 3 if trigger == "once" else 2
        yield expect("the query's trigger", trigger, equals="availableNow", hint=hint)


def judge_archive(rows: Rows, known: list[Record], region: str, night: int) -> Expectations:
    due = names(order for order in known if order["region"] == region)
    got = names(rows)
    where = f"the folder {region} after night {night}"
    shared = region == "south" and not got
    missing = [order for order in due if order not in got]
    hint = 4 if shared else 5 if night > 1 else 1
    yield expect("every order is there", missing, equals=[], given=where, hint=hint)
    if got:
        yield expect("no order is there twice", repeated(rows), equals=[], given=where, hint=5)
        strangers = sorted({order for order in got if order not in due})
        yield expect("only its own region", strangers, equals=[], given=where, hint=6)


# %% catalogued


@exercise(
    title="Orders with their category: a stream and a table",
    points=10,
    hints=[
        "Read the catalogue with spark.read.parquet, join on product, and write Parquet to output.",
        "An inner join drops every order whose product is not in the catalogue. Keep it, with an empty category.",
        "The catalogue is a table, not a stream. With readStream Spark keeps all orders of all time in state, waiting for products to come.",
    ],
)
def catalogued(answer: Query, case: Case) -> Expectations:
    orders = placed_orders(case, 40)
    known = dict.fromkeys(case.rng.sample(sorted(shop.PRICES), 4), "kitchen")
    known |= {product: "drinks" for product in known if product in ("tea", "coffee")}
    source = plans.to_message(stream(case, case.topic(orders), 25))
    with queries.folder(case.world.spark()) as folder:
        catalogue, output, checkpoint = (folder / n for n in ("catalogue", "output", "checkpoint"))
        write_catalogue(case, known, catalogue)
        message = answer.writer([source], *map(str, (catalogue, output, checkpoint)))
        ended = finished(message, case)
        rows = parquet(case, output)
    hint = complaint(ended.error, {"join": 3, "schema": 3})
    yield expect("the query runs", ended.error, equals="", hint=hint)
    if ended.error:
        return
    yield expect("every order comes out once", names(rows), equals=names(orders), hint=2)
    there = {order["order"] for order in orders if order["product"] in known}
    due = {str(o["order"]): known[o["product"]] for o in orders if o["order"] in there}
    got = {order: found for order, found in column(rows, "category").items() if order in due}
    yield expect("the category of each order", got, equals=due, given="category by order")
    yield expect("nothing is kept in state", state_rows(ended), equals=0, given="rows", hint=3)


def write_catalogue(case: Case, known: dict[str, str], path: Path) -> None:
    rows = case.world.spark().createDataFrame(
        sorted(known.items()), "product string, category string"
    )
    rows.coalesce(1).write.parquet(str(path))


def finished(message: bytes | Raised, case: Case) -> queries.Ended:
    if isinstance(message, Raised):
        return queries.Ended(message.error, [])
    return queries.run(message, case.world.spark())


def state_rows(ended: queries.Ended) -> int:
    operators = ended.progress[-1].get("stateOperators", []) if ended.progress else []
    return sum(operator["numRowsTotal"] for operator in operators)


# %% paid

PAYABLE = 15 * MINUTE
PAYMENT = "order long, cents long, paid timestamp"


@exercise(
    title="Orders and their payments: two streams",
    points=20,
    hints=[
        "Rename one of the two order columns, and join where the numbers are equal and paid lies within the 15 minutes.",
        "An inner join loses the orders that nobody paid: they are what the reminder is for. Which join keeps them?",
        "A payment after more than 15 minutes does not count. Put the bound into the join's condition: paid BETWEEN placed AND placed + INTERVAL 15 MINUTES.",
        "Both sides wait in state for each other. It takes a watermark on both event times and a time bound before Spark may forget either.",
        "An outer join says 'nobody paid' when nobody can any more. That needs watermarks on placed and on paid, and the time bound.",
    ],
)
def paid(answer: Plan, case: Case) -> Expectations:
    orders = placed_orders(case, 60, seconds=30)
    payments = [payment(case, order) for order in orders if case.rng.random() < 0.8]
    in_time = {str(p["order"]): moment(p, "paid").astimezone(UTC) for p, ok in payments if ok}
    too_late = {str(p["order"]): moment(p, "paid").astimezone(UTC) for p, ok in payments if not ok}
    sent_in = sorted((p for p, _ in payments), key=lambda p: moment(p, "paid"))
    result = streamed(answer.relation(two_streams(case, orders, sent_in)), case)
    if isinstance(result, Raised):
        hint = complaint(result.error, {"watermark": 5})
        yield expect("the query runs", result, equals="a running query", hint=hint)
        return
    yield expect("the query runs", "yes", equals="yes")
    yield from judge_payments(result, orders, in_time, too_late)


def payment(case: Case, order: Record) -> tuple[Record, bool]:
    """Return the payment of an order, and whether it is in time; one in six is too late."""
    ok = case.rng.random() < 5 / 6
    after = case.rng.uniform(0.2, 14.8) if ok else case.rng.uniform(15.2, 19)
    when = moment(order) + after * MINUTE
    return {"order": order["order"], "cents": order["amount"], "paid": when.isoformat()}, ok


def two_streams(case: Case, orders: list[Record], payments: list[Record]) -> list[bytes]:
    """Return both as streams; each ends with a record of hours later, which settles the others."""
    much_later = (moment(orders[-1]) + timedelta(hours=6)).isoformat()
    closing = orders[-1] | {"order": -1, "placed": much_later}
    paying = {"order": -2, "cents": 0, "paid": much_later}
    left = stream(case, case.topic([*orders, closing]), 21)
    right = stream(case, case.topic([*payments, paying]), 20, PAYMENT).drop("arrived")
    return [plans.to_message(left), plans.to_message(right)]


def judge_payments(
    result: plans.Streamed,
    orders: list[Record],
    in_time: dict[str, datetime],
    too_late: dict[str, datetime],
) -> Expectations:
    known = set(names(orders))
    rows = [row for row in result.rows if shown(row.get("order")) in known]
    got = column(rows, "paid")
    if rows:
        yield expect("no order comes out twice", repeated(rows), equals=[])
    yield expect(
        "a payment in time is found",
        {order: time for order, time in got.items() if order in in_time},
        equals=in_time,
        given="paid by order",
    )
    others = {order: time for order, time in got.items() if order not in in_time}
    yield expect(
        "an order that nobody paid in time comes out without a payment",
        others,
        equals=dict.fromkeys(sorted(known - set(in_time))),
        given="paid by order",
        mistakes={
            2: {},
            3: others
            if any(order in too_late for order in others) and any(others.values())
            else None,
        },
    )
    kept = result.state_rows
    yield expect(
        "what cannot match any more is forgotten",
        f"{kept} rows in state" if kept > 4 else "hardly any rows in state",
        equals="hardly any rows in state",
        given=f"{len(orders)} orders and their payments, hours later",
        hint=4,
    )


# %% next_batch


@exercise(
    title="What is done after a restart?",
    points=10,
    hints=[
        "Is the last number in offsets also in commits? If so a new batch begins; if not that batch is done again.",
        "A batch that is planned in offsets and not confirmed in commits may be half done. It is done again, under the same number.",
        "A batch that is done again gets the very records that offsets wrote down for it, whatever has arrived and whatever the limit is by now.",
        "A new batch begins where the one before it ended.",
        "A new batch takes no more than the limit, and no more than there is.",
    ],
)
def next_batch(answer: Function, case: Case) -> Expectations:
    calls = [checkpoint_state(case, done=done) for done in (True, False) for _ in range(15)]
    for (offsets, commits, latest, at_most), found in zip(calls, answer.map(calls), strict=False):
        done = not offsets or len(offsets) - 1 in commits
        number = len(offsets) if done else len(offsets) - 1
        first = offsets[number - 1] if number else 0
        fresh = min(latest, first + at_most)
        yield expect(
            "the last batch is confirmed" if done else "the last batch is not confirmed",
            found,
            equals=[number, first, fresh if done else offsets[number]],
            given={"offsets": offsets, "commits": commits, "latest": latest, "at_most": at_most},
            mistakes={
                2: [len(offsets), offsets[-1], min(latest, offsets[-1] + at_most)]
                if offsets
                else None,
                3: [number, first, fresh],
                4: [number, 0, min(latest, at_most)],
                5: [number, first, latest],
            },
        )


def checkpoint_state(case: Case, *, done: bool) -> tuple[list[int], list[int], int, int]:
    """Return the ends in offsets, the numbers in commits, the topic's end, and the limit now."""
    batches = case.rng.randrange(0 if done else 1, 6)
    offsets: list[int] = []
    for _ in range(batches):
        offsets.append((offsets[-1] if offsets else 0) + case.rng.randrange(5, 20))
    commits = list(range(batches if done else batches - 1))
    at_most = case.rng.randrange(20, 40)
    latest = (offsets[-1] if offsets else 0) + case.rng.choice([at_most // 2, 3 * at_most])
    return offsets, commits, latest, at_most


# %% once

LEDGER = """
CREATE TABLE revenue (customer text PRIMARY KEY, orders bigint NOT NULL, cents bigint NOT NULL);
CREATE TABLE batches (batch bigint PRIMARY KEY);
"""
PER_BATCH = 15
BATCHES = 3
TWICE, MISSING = "no order counts twice", "no order is missing"
LATE_SKIPPED = "orders below the highest so far are skipped"


@exercise(
    title="A sink that may be called twice",
    points=25,
    hints=[
        "Add up the batch per customer, and add that to the customer's row. All in one transaction.",
        "After a crash the same batch comes again, with the same number, and was added again. Write the number down, and skip a batch that is there.",
        "The number and the sums were written in two transactions, and the crash came between them. They must be true together or not at all.",
        "Orders do not arrive in the order of their numbers. Who skips all below the highest so far loses the late ones; only the batch's number grows by one.",
        "A customer who is there already gets this batch's sums added: ON CONFLICT (customer) DO UPDATE SET cents = revenue.cents + EXCLUDED.cents.",
    ],
)
def once(answer: Query, case: Case) -> Expectations:
    orders = placed_orders(case, PER_BATCH * BATCHES)
    source = plans.to_message(stream(case, case.topic(orders), PER_BATCH))
    with queries.folder(case.world.spark()) as folder:
        checkpoints = (str(folder / str(number)) for number in count())

        def prepare() -> tuple[str, Callable[[str], bytes | Raised], Callable[[], Any]]:
            url, checkpoint = case.database(LEDGER), next(checkpoints)

            def message(address: str) -> bytes | Raised:
                return answer.writer([source], address, checkpoint)

            return url, message, lambda: judge_sums(url, orders)

        hints = {TWICE: twice_hint, MISSING: missing_hint}
        yield from queries.survives(case, prepare, hints)


Sums = dict[str, tuple[int, int]]


def judge_sums(url: str, orders: list[Record]) -> dict[str, list[str]]:
    """Say which customers' sums are too high and which too low; and whether late ones were skipped."""
    got: Sums = {}
    with suppress(psycopg.Error):  # a sink may have spoilt the table
        found = databases.rows(url, "SELECT customer, orders, cents FROM revenue")
        got = {row["customer"]: (row["orders"], row["cents"]) for row in found}
    due = sums(orders)
    broken = {
        TWICE: [
            told(name, got[name], due.get(name))
            for name in got
            if got[name] > due.get(name, (0, 0))
        ],
        MISSING: [
            told(name, got.get(name), due[name])
            for name in due
            if got.get(name, (0, 0)) < due[name]
        ],
    }
    return broken | ({LATE_SKIPPED: ["late orders"]} if got == sums(in_step(orders)) else {})


def sums(orders: Iterable[Record]) -> Sums:
    found: Sums = {}
    for order in orders:
        number, cents = found.get(order["customer"], (0, 0))
        found[order["customer"]] = (number + 1, cents + order["amount"])
    return found


def told(customer: str, got: tuple[int, int] | None, due: tuple[int, int] | None) -> str:
    counted, right = got or (0, 0), due or (0, 0)
    return f"{customer}: {counted[0]} orders of {counted[1]} cents, not {right[0]} of {right[1]}"


def in_step(orders: list[Record]) -> Iterator[Record]:
    """Yield the orders that are above all of earlier batches."""
    highest = 0
    for first in range(0, len(orders), PER_BATCH):
        batch = orders[first : first + PER_BATCH]
        yield from (order for order in batch if order["order"] > highest)
        highest = max(highest, *(order["order"] for order in batch))


def twice_hint(trial: Trial) -> int:
    """A sink that commits once a batch has no second transaction to blame."""
    if not trial.point:
        return 1
    return 3 if len(trial.trace.durable()) > BATCHES + 1 else 2


def missing_hint(trial: Trial) -> int:
    if trial.point:
        return 3
    return 4 if LATE_SKIPPED in trial.broken else 5


# %% restarts


@dataclass(frozen=True)
class Counting:
    """A query that counts orders in windows, and what may be different about it at a restart."""

    window: str = "5 minutes"
    patience: str = "10 minutes"
    keys: tuple[str, ...] = ("region",)
    sums: tuple[str, ...] = ("count(*) AS orders",)
    where: str = "true"
    distinct: bool = False
    renamed: bool = False
    another_topic: bool = False
    per_batch: int = 20


CHANGES = {
    "maxOffsetsPerTrigger is 10 instead of 20": Counting(per_batch=10),
    "orders below 1000 cents are filtered out before they are counted": Counting(
        where="amount >= 1000"
    ),
    "the column orders of the result is called sold": Counting(renamed=True),
    "the watermark waits 30 minutes instead of 10": Counting(patience="30 minutes"),
    "windows are 10 minutes long instead of 5": Counting(window="10 minutes"),
    "a second aggregate, the sum of amount, stands beside the count": Counting(
        sums=("count(*) AS orders", "sum(amount) AS revenue")
    ),
    "orders are counted per region and customer instead of per region": Counting(
        keys=("region", "customer")
    ),
    "the average of amount takes the place of the count": Counting(sums=("avg(amount) AS orders",)),
    "repeated orders are dropped (dropDuplicatesWithinWatermark) before they are counted": Counting(
        distinct=True
    ),
    "the orders come from another topic": Counting(another_topic=True),
}
refusals: dict[str, bool] = {}
"""Whether Spark has refused a change; what it once said, it says again."""
trying = threading.Lock()


def restarts_task(rng: random.Random) -> dict[str, Any]:
    """Return six of the changes; the one that goes through and is wrong is always there."""
    known = list(CHANGES)
    chosen = [
        *rng.sample(known[:4], 2),
        known[4],
        *rng.sample(known[5:8], 2),
        rng.choice(known[8:]),
    ]
    rng.shuffle(chosen)
    return {"changes": dict(zip("abcdef", chosen, strict=True))}


@exercise(
    title="What may change between restarts?",
    points=10,
    task=restarts_task,
    hints=[
        "Give the list of letters that Spark refuses. The cells above let you try a change on a checkpoint of your own.",
        "State is stored with its schema: the grouping columns and the aggregates. With others Spark cannot read what is in the checkpoint.",
        "What holds nothing in state may change: a filter, a name in the result, how much a batch takes.",
        "offsets speaks of one topic, and metadata of the operators that have state. Neither can be swapped.",
        "Spark compares types, not meanings. A window is a window, of whatever length: the change goes through, and old and new windows are mixed.",
    ],
)
def restarts(answer: Choice, case: Case) -> Expectations:
    changes = restarts.task_for(answer.student)["changes"]
    value = answer.value
    named = value if isinstance(value, list) else [value]
    with trying:
        try_changes(case, changes.values())
    for letter, words in changes.items():
        refused = refusals[words]
        hint = refused_hint(words) if refused else taken_hint(words)
        yield expect(
            "Spark refuses it" if refused else "Spark takes it",
            letter in named,
            equals=refused,
            given=f"{letter}: {words}",
            hint=hint,
        )


def refused_hint(words: str) -> int:
    change = CHANGES[words]
    return 4 if change.another_topic or change.distinct else 2


def taken_hint(words: str) -> int:
    return 5 if CHANGES[words].window != Counting().window else 3


def try_changes(case: Case, wanted: Iterable[str]) -> None:
    """Find out which changes Spark refuses, as far as it is not known yet.

    A query is run, its checkpoint is copied, and the changed query is started on the copy, with
    more orders to read.
    """
    unknown = [words for words in wanted if words not in refusals]
    if not unknown:
        return
    orders = placed_orders(case, 40)
    topic, another = case.topic(orders[:20]), case.topic(orders)
    with queries.folder(case.world.spark()) as folder:
        original = folder / "original"
        if error := counted(case, topic, Counting(), original).error:
            raise Ungradable(f"the unchanged query did not run: {error}")
        topics.produce(case.world.kafka(), topic, orders[20:], "")
        for number, words in enumerate(unknown):
            here = folder / str(number)
            shutil.copytree(original, here)
            change = CHANGES[words]
            read = another if change.another_topic else topic
            refusals[words] = bool(counted(case, read, change, here).error)


def counted(case: Case, topic: str, shape: Counting, checkpoint: Path) -> queries.Ended:
    """Run the query in this shape to its end."""
    from pyspark.sql import functions as F

    orders = stream(case, topic, shape.per_batch).where(shape.where)
    waiting = orders.withWatermark("placed", shape.patience)
    seen = waiting.dropDuplicatesWithinWatermark(["order"]) if shape.distinct else waiting
    window = F.window("placed", shape.window).alias("window")
    result = seen.groupBy(window, *shape.keys).agg(*map(F.expr, shape.sums))
    named = result.withColumnRenamed("orders", "sold") if shape.renamed else result
    writer = named.writeStream.format("noop").option("checkpointLocation", str(checkpoint))
    return queries.run(queries.to_message(writer), case.world.spark())
