"""The program of the tour of chapter 2: an aggregate, a join and a window, with a recovery store.

It reads the topic INPUT for ever, writes each seller's totals to OUTPUT, and keeps its state in
the folder ``store``. It is run as a script of its own.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bytewax import operators as op
from bytewax.connectors.kafka import KafkaSinkMessage
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.operators import windowing as win
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, run_main

from streamgym.tours.orders import Event


def flow(brokers: list[str], source: str, target: str) -> Dataflow:
    """Return the dataflow; its steps are ``total``, ``join`` and ``window``."""
    made = Dataflow("shop")
    read = kop.input("read", made, brokers=brokers, topics=[source], batch_size=5)
    events = op.map("parse", read.oks, lambda record: json.loads(record.value or b""))
    created = op.filter("created", events, lambda event: event["type"] == "order-created")
    paid = op.filter("paid", events, lambda event: event["type"] == "payment-processed")

    by_seller = op.key_on("seller", created, lambda event: str(event["seller_id"]))
    totals = op.stateful_map("total", by_seller, _add)
    kop.output("write", op.map("message", totals, _message), brokers=brokers, topic=target)

    orders, payments = (op.key_on(f"key-{n}", s, _order) for n, s in enumerate((created, paid)))
    op.output("joined", op.join("join", orders, payments), TestingSink([]))

    counts = win.count_window("window", created, _clock(), _days(), key=lambda _: "shop")
    op.output("counted", counts.down, TestingSink([]))
    return made


def _add(total: int | None, event: Event) -> tuple[int, Event]:
    total = (total or 0) + int(event["amount_cents"])
    return total, {"order": event["order_id"], "total": total}


def _message(item: tuple[str, Event]) -> KafkaSinkMessage[bytes, bytes]:
    return KafkaSinkMessage(item[0].encode(), json.dumps(item[1]).encode())


def _order(event: Event) -> str:
    return str(event["order_id"])


def _clock() -> Any:
    """Return the clock of the events, which waits for late ones for two days."""
    return win.EventClock(
        lambda event: datetime.fromisoformat(event["event_time"]),
        wait_for_system_duration=timedelta(days=2),
    )


def _days() -> Any:
    return win.TumblingWindower(length=timedelta(days=1), align_to=datetime(2025, 6, 1, tzinfo=UTC))


def main() -> None:
    """Run it, from where the store says."""
    store = Path("store")
    if not store.exists():
        store.mkdir()
        init_db_dir(store, 1)
    made = flow([os.environ["BROKERS"]], os.environ["INPUT"], os.environ["OUTPUT"])
    run_main(made, epoch_interval=timedelta(0), recovery_config=RecoveryConfig(store))


if __name__ == "__main__":
    main()
