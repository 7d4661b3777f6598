"""What every service of the shop does (tours of chapters 6 and 12); it imports little."""

import json
import os
from collections.abc import Callable
from typing import Any

from kafka import KafkaConsumer, KafkaProducer

Event = dict[str, Any]


def member(topic: str, group: str, **settings: Any) -> KafkaConsumer:
    """Return a new member of a consumer group; it commits only when it is told to.

    Poll it with a long time-out, and it joins only once (see :mod:`streamgym.workers`).
    """
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=os.environ["BROKERS"],
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        **{"max_poll_records": 200, **settings},
    )
    consumer.partitions_for_topic(topic)
    return consumer


def serve(group: str, source: str, handle: Callable[[Event], tuple[str, Event]]) -> None:
    """Handle the events of a topic for ever, each at least once; this is a service's whole life.

    Args:
        group: the service's consumer group.
        source: the topic that it reads.
        handle: takes an event, and returns a topic and what goes there.
    """
    suffix = os.environ["SUFFIX"]
    producer = KafkaProducer(bootstrap_servers=os.environ["BROKERS"])
    consumer = member(source + suffix, group + suffix)
    while True:
        batch = consumer.poll(timeout_ms=60_000)
        for records in batch.values():
            for record in records:
                target, event = handle(json.loads(record.value))
                producer.send(target + suffix, json.dumps(event).encode(), key=record.key)
        if batch:
            producer.flush()
            consumer.commit()
