"""Many records at once, spread evenly over a topic's partitions."""

import json
from collections.abc import Iterable
from typing import Any

from confluent_kafka import Producer

from streamgym.errors import StreamgymError

SECONDS = 30.0


def write(
    servers: str, topic: str, records: Iterable[Any], partitions: int, **settings: Any
) -> None:
    """Produce records as JSON, to each partition in turn.

    Args:
        servers: the broker's bootstrap servers.
        topic: where they go.
        records: what is written.
        partitions: how many the topic has.
        settings: more settings of the producer, with ``_`` for ``.``.

    Raises:
        StreamgymError: they were not all written within 30 seconds.
    """
    more = {name.replace("_", "."): value for name, value in settings.items()}
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 5} | more)
    for number, record in enumerate(records):
        producer.produce(topic, json.dumps(record).encode(), partition=number % partitions)
        producer.poll(0)
    if producer.flush(SECONDS):
        raise StreamgymError("not all records could be written: see whether the broker runs")
