"""A service that handles orders one by one, and commits each when it is done.

It is run as a script of its own (tour of chapter 17), and writes the number of each order that it
has handled to the file ``handled`` in its folder.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition

from streamgym.tours.serving import member

RETRY = 0.2
"""Seconds until it tries again what went wrong."""


def handle(value: bytes) -> None:
    """Handle one order; raise ValueError for what is none."""
    order: dict[str, Any] = json.loads(value)
    items = sum(item["quantity"] for item in order["items"])
    time.sleep(items * float(os.environ["SECONDS_PER_ITEM"]))
    with Path("handled").open("a") as handled:
        handled.write(f"{order['order']}\n")


def main() -> None:
    """Serve for ever. What cannot be handled is tried again, for ever too."""
    consumer = member(
        os.environ["TOPIC"],
        os.environ["TOPIC"],
        client_id=os.environ["CLIENT"],
        isolation_level="read_committed",
        heartbeat_interval_ms=300,  # who joins is soon noticed
        max_poll_records=1,  # others who join wait for its next poll, and an order may take long
    )
    while True:
        for at, records in consumer.poll(timeout_ms=60_000).items():
            _handle_all(consumer, at, records)


def _handle_all(consumer: Any, at: TopicPartition, records: list[Any]) -> None:
    for record in records:
        try:
            handle(record.value)
        except ValueError:
            consumer.seek(at, record.offset)
            time.sleep(RETRY)
            return
        consumer.commit({at: OffsetAndMetadata(record.offset + 1, "", -1)})


if __name__ == "__main__":
    main()
