"""The events of ekart's orders, in the order in which they arrive, as Kafka gets them.

An order's life is one to four events. A batch of orders is a slice of time; its events are those
that arrive in that slice, whoever's they are, so that over all batches arrival is in order.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from streamgym.data.columns import Integers, joined, picked
from streamgym.data.ekart import (
    CANCELLED,
    COMPLETED,
    MILLION,
    PAID,
    PLACED,
    PRODUCTS,
    SPAN,
    START,
    VARIANTS,
    Batch,
    Ekart,
)

Flags = npt.NDArray[np.bool_]

TOPICS = (
    "order-created",
    "inventory-reserved",
    "payment-processed",
    "order-completed",
    "order-cancelled",
)
"""The guide's topics; the number of an event is its order's, and one digit for its topic."""

CREATED, RESERVED, PROCESSED, DONE, GIVEN_UP = range(len(TOPICS))
SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000
SPREAD = {RESERVED: 2 * MINUTE, PROCESSED: 10 * MINUTE, DONE: 3 * HOUR, GIVEN_UP: 30 * MINUTE}
"""How long after the one before it an event may happen."""

LATE_FROM, LATE_UP_TO, AGAIN_UP_TO = 5 * MINUTE, 6 * HOUR, 30 * MINUTE
LONGEST = 10 * HOUR
"""No event arrives later than this after its order was placed."""

METHODS = ("card", "invoice", "transfer", "wallet")
REASONS = ("out of stock", "payment refused")
CUT = 40
"""Where the text of a malformed event breaks off; every whole one is longer."""


def events(shop: Ekart, batch: Batch) -> pa.Table:
    """Return the events that arrive in a batch's slice of time, in order of arrival.

    The columns are ``topic`` (a place in TOPICS), ``key``, ``value`` and ``time``: the event time
    in milliseconds.
    """
    ends = shop.slot(np.array([batch.low, batch.high]))
    begin = -1 if batch.low == 0 else ends[0]
    end = np.iinfo(np.int64).max if batch.high == shop.orders else ends[1]
    first = max(0, (ends[0] - START - LONGEST) * shop.orders // SPAN - 1)
    orders = np.arange(first, batch.high)
    order, kind, time = _lives(shop, orders)
    number = (order + 1) * 10 + kind + 1
    copies = _arrivals(shop, number, time)
    place = np.concatenate([np.flatnonzero((at >= begin) & (at < end)) for at in copies])
    arrival = np.concatenate([at[(at >= begin) & (at < end)] for at in copies])
    place = place[np.lexsort((number[place], arrival))]
    order, kind, time = order[place], kind[place], time[place]
    return _records(shop, order, shop.variant(orders)[order - first], kind, time)


def _lives(shop: Ekart, orders: Integers) -> tuple[Integers, ...]:
    """Return order, kind and time of all events of these orders."""
    status, at = shop.status(orders), shop.placed_at(orders)
    refused = _refused(shop, orders)
    happened = {
        CREATED: np.full(len(orders), True),
        RESERVED: (status != PLACED) & ~((status == CANCELLED) & ~refused),
        PROCESSED: (status == PAID) | (status == COMPLETED),
        DONE: status == COMPLETED,
        GIVEN_UP: status == CANCELLED,
    }
    parts = []
    for kind, did in happened.items():
        if kind:
            delay = SECOND + shop.below(f"events.after.{kind}", orders, SPREAD[kind])
            at = np.where(did, at + delay, at)
        parts.append((orders[did], np.full(did.sum(), kind), at[did]))
    order, kinds, time = (np.concatenate(column) for column in zip(*parts, strict=True))
    return order, kinds, time


def _refused(shop: Ekart, orders: Integers) -> Flags:
    """Return which orders would be cancelled for their payment, and not for lack of stock."""
    refused: Flags = shop.below("events.reason", orders, 2) == 1
    return refused


def _arrivals(shop: Ekart, number: Integers, time: Integers) -> tuple[Integers, Integers]:
    """Return when events arrive, and when they arrive again; never is before all time."""
    late = shop.below("events.late", number, MILLION) < shop.late
    delay = LATE_FROM + shop.below("events.delay", number, LATE_UP_TO - LATE_FROM)
    arrival = np.where(late, time + delay, time)
    twice = shop.below("events.twice", number, MILLION) < shop.duplicates
    pause = SECOND + shop.below("events.pause", number, AGAIN_UP_TO)
    return arrival, np.where(twice, arrival + pause, np.int64(-2))


def _records(
    shop: Ekart, order: Integers, variant: Integers, kind: Integers, time: Integers
) -> pa.Table:
    places = [np.flatnonzero(kind == each) for each in range(len(TOPICS))]
    values = [
        _values(shop, each, order[at], variant[at], time[at]) for each, at in enumerate(places)
    ]
    back = np.argsort(np.concatenate(places), kind="stable")
    whole = pa.concat_arrays(values).take(pa.array(back))
    value = _spoilt(shop, (order + 1) * 10 + kind + 1, whole.cast(pa.binary()))
    return pa.table({"topic": kind, "key": joined(order + 1), "value": value, "time": time})


def _values(shop: Ekart, kind: int, order: Integers, variant: Integers, time: Integers) -> pa.Array:
    """Return the events of one topic as JSON."""
    common = {
        "event_id": (order + 1) * 10 + kind + 1,
        "type": TOPICS[kind],
        "order_id": order + 1,
        "event_time": iso(time),
    }
    parts: list[object] = []
    before, quote = "{", ""
    for name, column in (common | dict(_details(shop, kind, order, variant))).items():
        quote = "" if isinstance(column, np.ndarray) else '"'
        parts += [f'{before}"{name}":{quote}', column]
        before = f"{quote},"
    return joined(*parts, f"{quote}}}")


def _details(
    shop: Ekart, kind: int, order: Integers, variant: Integers
) -> Iterator[tuple[str, object]]:
    """Yield the fields that events of a topic have besides those that all have."""
    if kind == CREATED:
        yield "customer_id", shop.customer(order) + 1
    if kind in (CREATED, DONE):
        yield "seller_id", variant // (PRODUCTS * VARIANTS) + 1
    if kind in (CREATED, RESERVED):
        yield "variant_id", variant + 1
        yield "quantity", shop.quantity(order)
    if kind == RESERVED:
        yield "warehouse_id", shop.kept_in(variant)[0] + 1
    if kind in (CREATED, PROCESSED, DONE):
        yield "amount_cents", shop.quantity(order) * shop.price(variant)
    if kind == PROCESSED:
        yield "method", picked(METHODS, shop.below("events.method", order, len(METHODS)))
    if kind == GIVEN_UP:
        yield "reason", picked(REASONS, _refused(shop, order).astype(np.int64))


def _spoilt(shop: Ekart, number: Integers, value: pa.Array) -> pa.Array:
    """Spoil the malformed ones: broken off, without its fields, or no text at all."""
    if not shop.malformed:
        return value
    bad = shop.below("events.malformed", number, MILLION) < shop.malformed
    way = np.where(bad, shop.below("events.way", number, 3), 3)
    ways = [pc.binary_slice(value, 0, CUT), pa.scalar(b'{"event":null}'), pa.scalar(b"\xff\xfe\0")]
    return pc.choose(pa.array(way), *ways, value)


def iso(time: Integers) -> pa.Array:
    """Return moments as texts such as ``2025-06-01T08:30:00.000Z``."""
    text = pa.array(time).cast(pa.timestamp("ms")).cast(pa.string())
    return joined(pc.utf8_replace_slice(text, 10, 11, "T"), "Z")
