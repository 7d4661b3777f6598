"""Fresh topics: created, filled, read to their end and deleted; each call has its deadline."""

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from streamgym.checks.answers import Ungradable

DEADLINE_MS = 20_000


def create(servers: str, partitions: int = 1) -> str:
    """Create a topic with a name of its own, that keeps records of any event time."""
    name = f"case-{uuid.uuid4().hex[:12]}"
    admin = KafkaAdminClient(bootstrap_servers=servers)
    try:
        topic = NewTopic(name, partitions, 1, topic_configs={"retention.ms": "-1"})
        admin.create_topics([topic], timeout_ms=DEADLINE_MS)
    finally:
        admin.close()
    return name


def produce(servers: str, topic: str, records: Iterable[Mapping[str, Any]], key: str) -> None:
    """Produce records as JSON, in order; ``key`` names the field that keys them, or is empty."""
    producer = KafkaProducer(bootstrap_servers=servers, linger_ms=20)
    try:
        for record in records:
            value = json.dumps(record).encode()
            if key:
                producer.send(topic, value, key=str(record[key]).encode())
            else:
                producer.send(topic, value, partition=0)
        producer.flush(timeout=DEADLINE_MS / 1000)
    finally:
        producer.close()


def read(servers: str, topic: str) -> list[dict[str, Any]]:
    """Return the JSON values of a topic's committed records, up to its end as of now.

    Raises:
        Ungradable: the end was not reached before the deadline.
    """
    consumer = KafkaConsumer(
        bootstrap_servers=servers,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
    )
    try:
        return [value for value in _values(consumer, topic) if isinstance(value, dict)]
    finally:
        consumer.close()


def _values(consumer: KafkaConsumer, topic: str) -> Iterable[Any]:
    found = consumer.partitions_for_topic(topic) or set()
    partitions = [TopicPartition(topic, number) for number in sorted(found)]
    ends = consumer.end_offsets(partitions)
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    records: dict[int, list[bytes]] = {p.partition: [] for p in partitions}
    while any(consumer.position(p) < ends[p] for p in partitions):
        batch = consumer.poll(timeout_ms=DEADLINE_MS)
        if not batch:
            raise Ungradable(f"topic {topic} could not be read to its end in time")
        for partition, got in batch.items():
            records[partition.partition] += [r.value for r in got if r.offset < ends[partition]]
    for number in sorted(records):
        yield from map(_parse, records[number])


def _parse(value: bytes) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return {"not JSON": repr(value[:80])}


def delete(servers: str, names: list[str]) -> None:
    """Delete topics."""
    admin = KafkaAdminClient(bootstrap_servers=servers)
    try:
        admin.delete_topics(names, timeout_ms=DEADLINE_MS)
    finally:
        admin.close()
