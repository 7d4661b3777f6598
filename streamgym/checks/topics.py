"""Fresh topics: created, filled, read to their end and deleted; each call has its deadline."""

import json
import struct
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import MemberToRemove, NewTopic, TransactionState
from kafka.errors import RetriableError, TopicAuthorizationFailedError
from tenacity import (
    RetryError,
    Retrying,
    retry,
    retry_if_exception_type,
    retry_if_result,
    stop_after_delay,
    wait_fixed,
)

from streamgym.checks.answers import Ungradable

DEADLINE_MS = 20_000
POLL_MS = 100
OFFSETS = "__consumer_offsets"
PREFIX = "case-"
"""How the names of topics begin that an answer is tried on."""


def create(servers: str, partitions: int = 1) -> str:
    """Create a topic with a name of its own, that keeps records of any event time."""
    name = f"{PREFIX}{uuid.uuid4().hex[:12]}"
    topic = NewTopic(name, partitions, 1, topic_configs={"retention.ms": "-1"})
    with _admin(servers) as admin:
        admin.create_topics([topic], timeout_ms=DEADLINE_MS)
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


@dataclass(frozen=True)
class Record:
    """One record of a topic; ``value`` is what its JSON says, ``key`` and ``headers`` are text."""

    partition: int
    offset: int
    key: str | None
    value: Any
    headers: dict[str, str]


def read(servers: str, topic: str) -> list[dict[str, Any]]:
    """Return the JSON values of a topic's committed records, up to its end as of now.

    Raises:
        Ungradable: the end was not reached before the deadline.
    """
    return [r.value for r in records(servers, topic) if isinstance(r.value, dict)]


def records(servers: str, topic: str, isolation_level: str = "read_committed") -> list[Record]:
    """Return a topic's records up to its end as of now, partition by partition.

    ``read_uncommitted`` gives those of aborted and open transactions too.

    Raises:
        Ungradable: the end was not reached before the deadline.
    """
    return [_record(raw) for raw in _raw(servers, topic, isolation_level)]


def _raw(servers: str, topic: str, isolation_level: str) -> list[Any]:
    settle(servers, topic)
    consumer = KafkaConsumer(
        bootstrap_servers=servers,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level=isolation_level,
    )
    try:
        known = sorted(consumer.partitions_for_topic(topic) or ())
        return _to_their_ends(consumer, [TopicPartition(topic, number) for number in known])
    finally:
        consumer.close()


def _to_their_ends(consumer: KafkaConsumer, partitions: list[TopicPartition]) -> list[Any]:
    ends = consumer.end_offsets(partitions)
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    found: dict[TopicPartition, list[Any]] = {p: [] for p in partitions}
    deadline = time.monotonic() + DEADLINE_MS / 1000
    while any(consumer.position(p) < ends[p] for p in partitions):
        # Aborted records and markers are passed by, without anything to give back.
        batch = consumer.poll(timeout_ms=POLL_MS)
        if not batch and time.monotonic() > deadline:
            raise Ungradable(f"topic {partitions[0].topic} could not be read to its end in time")
        for partition, got in batch.items():
            found[partition] += [record for record in got if record.offset < ends[partition]]
    return [record for partition in partitions for record in found[partition]]


def _record(raw: Any) -> Record:
    headers = {key: _as_text(value) for key, value in raw.headers}
    key = None if raw.key is None else _as_text(raw.key)
    return Record(raw.partition, raw.offset, key, _parse(raw.value), headers)


def _as_text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")


def _parse(value: bytes | None) -> Any:
    try:
        return json.loads(value or b"")
    except (ValueError, RecursionError):
        return {"not JSON": repr((value or b"")[:80])}


@retry(
    retry=retry_if_exception_type(RetriableError),
    stop=stop_after_delay(DEADLINE_MS / 1000),
    wait=wait_fixed(0.05),
    reraise=True,
)
def committed(servers: str, group: str) -> dict[tuple[str, int], int]:
    """Return the offsets that a group has committed, by topic and partition."""
    settle(servers, OFFSETS)
    with _admin(servers) as admin:
        offsets = admin.list_group_offsets(group)[group]
    return {(at.topic, at.partition): found.offset for at, found in offsets.items()}


def remove_members(servers: str, groups: Iterable[str]) -> None:
    """Remove all members from consumer groups: the dead keep their partitions until they time out.

    A member that still lives joins again by itself.
    """
    with _admin(servers) as admin:
        for group in groups:
            members = admin.describe_groups([group])[group]["members"]
            removed = [MemberToRemove(member["member_id"]) for member in members]
            if removed:
                admin.remove_group_members(group, removed)


def commits(servers: str, group: str) -> list[tuple[str, int, int]]:
    """Return every commit of a group as (topic, partition, offset), in order.

    They are read from the broker's own topic of offsets (``OffsetCommitKey.json`` and
    ``OffsetCommitValue.json`` of Kafka's group coordinator define its records).
    """
    history = _raw(servers, OFFSETS, "read_committed")
    keys = [(_offset_key(raw.key), raw.value) for raw in history]
    return [
        (key[1], key[2], struct.unpack(">q", value[2:10])[0])
        for key, value in keys
        if key and key[0] == group and value
    ]


def _offset_key(key: bytes) -> tuple[str, str, int] | None:
    """Return group, topic and partition; None for a record of another kind."""
    if struct.unpack(">h", key[:2])[0] not in (0, 1):
        return None
    texts, at = [], 2
    for _ in range(2):
        (length,) = struct.unpack(">h", key[at : at + 2])
        texts.append(key[at + 2 : at + 2 + length].decode())
        at += 2 + length
    return texts[0], texts[1], struct.unpack(">i", key[at:])[0]


def open_transactions(servers: str, topic: str) -> list[str]:
    """Return transactional ids that have written to a topic and neither committed nor aborted.

    Readers of committed records stop at the first record of such a transaction (KIP-98).
    """
    with _admin(servers) as admin:
        return _transactions(admin, topic, TransactionState.ONGOING)


def settle(servers: str, topic: str) -> None:
    """Wait until every transaction on a topic that was decided shows.

    A commit is acknowledged when the coordinator has logged the decision; the markers that make
    the records readable are written afterwards (KIP-98, "Data Flow", 5.1 to 5.3).

    Raises:
        Ungradable: markers were not written before the deadline.
    """
    decided = (TransactionState.PREPARE_COMMIT, TransactionState.PREPARE_ABORT)
    waiting = Retrying(
        retry=retry_if_result(bool),
        stop=stop_after_delay(DEADLINE_MS / 1000),
        wait=wait_fixed(0.005),
    )
    with _admin(servers) as admin:
        try:
            waiting(_transactions, admin, topic, *decided)
        except RetryError:
            raise Ungradable(f"transactions on {topic} did not end in time") from None


def _transactions(admin: KafkaAdminClient, topic: str, *states: TransactionState) -> list[str]:
    listed = admin.list_transactions(state_filters=[state.value for state in states])
    names = [item.transactional_id for items in listed.values() for item in items]
    found = admin.describe_transactions(names) if names else {}
    return sorted(
        name for name, each in found.items() if topic in {p.topic for p in each.topic_partitions}
    )


def delete_records(servers: str, topic: str, before: Mapping[int, int]) -> None:
    """Delete a topic's records before these offsets, by partition, as ``kafka-delete-records``."""
    with _admin(servers) as admin:
        admin.delete_records({TopicPartition(topic, p): offset for p, offset in before.items()})


def delete(servers: str, names: list[str]) -> None:
    """Delete topics; where nobody may (see :mod:`streamgym.grading.broker`) they go with it."""
    with suppress(TopicAuthorizationFailedError), _admin(servers) as admin:
        admin.delete_topics(names, timeout_ms=DEADLINE_MS)


@contextmanager
def _admin(servers: str) -> Iterator[KafkaAdminClient]:
    admin = KafkaAdminClient(bootstrap_servers=servers)
    try:
        yield admin
    finally:
        admin.close()
