"""A worker that ends when it is fenced, and that aborts and repeats at any other error."""

import json
import os
import sys

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata
from kafka.errors import KafkaError, ProducerFencedError

from streamgym.workers import at_end

servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
consumer = KafkaConsumer(
    os.environ["INPUT_TOPIC"],
    bootstrap_servers=servers,
    group_id=os.environ["GROUP_ID"],
    enable_auto_commit=False,
    auto_offset_reset="earliest",
    isolation_level="read_committed",
    max_poll_records=20,
)
producer = KafkaProducer(
    bootstrap_servers=servers,
    transactional_id=os.environ["TRANSACTIONAL_ID"],
    retry_backoff_ms=20,
)
producer.init_transactions()


def write(order: dict, key: bytes) -> None:
    for number, item in enumerate(order["items"], 1):
        line = {"line": f"{order['order']}-{number}", "order": order["order"]}
        line["amount"] = item["quantity"] * item["price"]
        producer.send(os.environ["OUTPUT_TOPIC"], json.dumps(line).encode(), key=key)


def book(batch: dict) -> None:
    producer.begin_transaction()
    for records in batch.values():
        for record in records:
            write(json.loads(record.value), record.key)
    offsets = {at: OffsetAndMetadata(found[-1].offset + 1, "", -1) for at, found in batch.items()}
    producer.send_offsets_to_transaction(offsets, consumer.group_metadata())
    producer.commit_transaction()


def book_or_end(batch: dict) -> None:
    try:
        book(batch)
    except ProducerFencedError:
        sys.exit(3)
    except KafkaError:
        producer.abort_transaction()
        for at, records in batch.items():
            consumer.seek(at, records[0].offset)


while not at_end(consumer):
    if batch := consumer.poll(timeout_ms=200):
        book_or_end(batch)
