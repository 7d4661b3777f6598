"""The shop's orders as the tours take them: a small ekart, its events as records of Kafka."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from streamgym.data.ekart import Ekart
from streamgym.data.ekart_events import events

Event = dict[str, Any]


def history(seed: int, scale: float = 0.2) -> list[Event]:
    """Return the events of a month of the shop in the order in which they arrived.

    Args:
        seed: draws the shop.
        scale: 1 makes 1,000 orders.
    """
    shop = Ekart(seed, scale)
    values = (value for b in shop.order_batches() for value in events(shop, b)["value"].to_pylist())
    return [json.loads(value) for value in values]


def placed(history: Iterable[Event]) -> list[Event]:
    """Return the events of orders that were placed."""
    return [event for event in history if event["type"] == "order-created"]


def sales(history: Iterable[Event]) -> Counter[str]:
    """Return what each seller has sold, in cents."""
    total: Counter[str] = Counter()
    for event in placed(history):
        total[str(event["seller_id"])] += event["amount_cents"]
    return total
