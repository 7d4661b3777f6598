"""What every clerk of the tour of chapter 14 does with a batch of orders; it imports little.

A clerk is a script of its own. It reads orders, and writes each to the ledger.
"""

import os
from collections.abc import Iterator

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from streamgym.workers import at_end

SERVERS = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
LEDGER = os.environ["OUTPUT_TOPIC"]
AT_A_TIME = 10
"""Orders in a batch."""

Batch = list[ConsumerRecord]

consumer = KafkaConsumer(
    os.environ["INPUT_TOPIC"],
    bootstrap_servers=SERVERS,
    group_id=os.environ["GROUP_ID"],
    enable_auto_commit=False,
    auto_offset_reset="earliest",
    max_poll_records=AT_A_TIME,
)


def batches() -> Iterator[Batch]:
    """Yield batches of orders until all are read."""
    while not at_end(consumer):
        yield from consumer.poll(timeout_ms=200).values()


def write(producer: KafkaProducer, batch: Batch) -> None:
    """Write a batch to the ledger, and wait until it is there."""
    for record in batch:
        producer.send(LEDGER, record.value, key=record.key)
    producer.flush()


def after(batch: Batch) -> dict[TopicPartition, OffsetAndMetadata]:
    """Return the offsets to commit once a batch is done."""
    last = batch[-1]
    at = TopicPartition(last.topic, last.partition)
    return {at: OffsetAndMetadata(last.offset + 1, "", -1)}
