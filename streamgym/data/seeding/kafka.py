"""ekart's events in Kafka: the guide's five topics, batches and their marks in transactions."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streamgym.data.ekart import Batch, Ekart
from streamgym.data.ekart_events import TOPICS, events
from streamgym.data.seeding.load import differs
from streamgym.errors import StreamgymError

MARKS = "ekart-seed"
"""The topic of the marks: first what shop it is, then a record for each batch."""

TOGETHER = 5
"""The batches of one transaction: while one is sent, the next is made, and nothing is flushed."""

PARTITIONS = 3
SECONDS = 30.0

SETTINGS: dict[str, Any] = {
    "transactional.id": "ekart-seed",
    "partitioner": "murmur2_random",  # as Kafka's own client and kafka-python choose
    "linger.ms": 200,  # few, large requests
    "batch.size": 1_000_000,
    "compression.type": "lz4",
    "queue.buffering.max.messages": 2_000_000,
    "queue.buffering.max.kbytes": 1_048_576,
}


class KafkaSink:
    """A cluster that takes the events: ``with KafkaSink(servers, shop) as sink: load(sink)``."""

    def __init__(self, servers: str, shop: Ekart) -> None:
        self._servers, self._shop, self._uncommitted = servers, shop, 0

    def batches(self) -> list[Batch]:
        """Return the batches of events."""
        orders = self._shop.order_batches()
        return [Batch("events", b.number, b.low, b.high) for b in orders]

    def done(self) -> dict[str, int]:
        """Return the batches that are marked in transactions that were committed."""
        return {mark["batch"]: mark["records"] for mark in self._held[1:]}

    def load(self, batch: Batch) -> int:
        """Produce a batch's events and its mark, and commit them with those of its neighbours."""
        table = events(self._shop, batch)
        columns = [table[name].to_pylist() for name in ("topic", "key", "value", "time")]
        with _told():
            if not self._uncommitted:
                self._producer.begin_transaction()
            produce(self._producer, zip(*columns, strict=True))
            self._mark({"batch": batch.name, "records": table.num_rows})
        self._uncommitted += 1
        if self._uncommitted == TOGETHER:
            self.finish()
        return len(columns[0])

    def finish(self) -> None:
        """Commit what is not committed yet."""
        if self._uncommitted:
            with _told():
                self._producer.commit_transaction(SECONDS)
        self._uncommitted = 0

    def _mark(self, mark: dict[str, Any]) -> None:
        self._producer.produce(MARKS, json.dumps(mark).encode())

    def _marks(self) -> list[Any]:
        """Return what the topic of marks holds."""
        settings = {"bootstrap.servers": self._servers, "group.id": MARKS, "log_level": 0}
        consumer = Consumer(settings | {"isolation.level": "read_committed"})
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(MARKS, 0), SECONDS)
            consumer.assign([TopicPartition(MARKS, 0, low)])
            found: list[Any] = []
            while consumer.position([TopicPartition(MARKS, 0)])[0].offset < high and high > low:
                found += [json.loads(m.value() or b"null") for m in consumer.consume(1000, 0.1)]
            return found
        finally:
            consumer.close()

    def _prepare(self) -> None:
        admin = AdminClient({"bootstrap.servers": self._servers, "log_level": 0})
        missing = {MARKS, *TOPICS} - set(admin.list_topics(timeout=SECONDS).topics)
        keep = {"retention.ms": "-1"}  # events of long ago would be deleted at once
        wanted = [NewTopic(n, 1 if n == MARKS else PARTITIONS, config=keep) for n in missing]
        for future in admin.create_topics(wanted).values() if wanted else ():
            future.result(SECONDS)
        self._producer = Producer(SETTINGS | {"bootstrap.servers": self._servers, "log_level": 0})
        self._producer.init_transactions(SECONDS)

    def __enter__(self) -> Self:
        with _told():
            self._prepare()
            self._held = self._marks()
        remedy = f"delete the topics {MARKS}, {', '.join(TOPICS)}, or choose another cluster"
        if not self._held:
            if not self._is_empty():
                raise StreamgymError(f"the topics hold events of somebody else: {remedy}")
            self._producer.begin_transaction()
            self._mark({"shop": self._shop.identity})
            self._producer.commit_transaction(SECONDS)
        elif self._held[0]["shop"] != self._shop.identity:
            raise StreamgymError(differs("Kafka", self._held[0]["shop"], self._shop, remedy))
        return self

    def _is_empty(self) -> bool:
        """Return whether the five topics never had a record."""
        consumer = Consumer({"bootstrap.servers": self._servers, "group.id": MARKS, "log_level": 0})
        try:
            known = consumer.list_topics(timeout=SECONDS).topics
            places = [TopicPartition(t, n) for t in TOPICS for n in known[t].partitions]
            ends = [consumer.get_watermark_offsets(place, SECONDS) for place in places]
        finally:
            consumer.close()
        return all(low == high for low, high in ends)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error:
            with suppress(KafkaException):  # no transaction is open, or another seed took over
                self._producer.abort_transaction(SECONDS)
        self._producer.close()


Record = tuple[int, str, bytes, int]
"""A place in TOPICS, key, value, and event time in milliseconds."""


def produce(producer: Producer, records: Iterable[Record]) -> None:
    """Hand records to a producer, in order."""
    send: Callable[..., None] = producer.produce
    for topic, key, value, time in records:
        send(TOPICS[topic], value, key, timestamp=time)


@contextmanager
def _told() -> Iterator[None]:
    """Say in one line what failed in Kafka."""
    try:
        yield
    except KafkaException as error:
        raise _lost(error) from error


def _lost(error: KafkaException) -> StreamgymError:
    cause = error.args[0]
    if cause.code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH):
        return StreamgymError("another seed has taken over: let it end")
    return StreamgymError(f"Kafka failed ({cause.str()}): the same command goes on where it was")
