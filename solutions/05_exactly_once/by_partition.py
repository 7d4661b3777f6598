"""Exactly once in another style: a transaction for each partition of what was polled."""

import json
import os
from collections.abc import Iterator

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition

from streamgym.workers import at_end

servers, target = os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["OUTPUT_TOPIC"]
producer = KafkaProducer(
    bootstrap_servers=servers,
    transactional_id=f"ledger-{os.environ['GROUP_ID']}",
    retry_backoff_ms=20,
    value_serializer=lambda value: json.dumps(value).encode(),
)
producer.init_transactions()
consumer = KafkaConsumer(
    bootstrap_servers=servers,
    group_id=os.environ["GROUP_ID"],
    enable_auto_commit=False,
    auto_offset_reset="earliest",
    isolation_level="read_committed",
    max_poll_records=20,
    value_deserializer=json.loads,
)
consumer.subscribe([os.environ["INPUT_TOPIC"]])


def lines(order: dict) -> Iterator[dict]:
    count = len(order["items"])
    for number, item in enumerate(order["items"]):
        amount = item["quantity"] * item["price"]
        name = f"{order['order']}/{number}"
        yield {"order": order["order"], "line": name, "lines": count, "amount": amount}


def book(at: TopicPartition, records: list) -> None:
    producer.begin_transaction()
    for record in records:
        for line in lines(record.value):
            producer.send(target, line, partition=at.partition)
    then = OffsetAndMetadata(consumer.position(at), "", -1)
    producer.send_offsets_to_transaction({at: then}, consumer.group_metadata())
    producer.commit_transaction()


while not at_end(consumer):
    for at, records in consumer.poll(timeout_ms=200).items():
        book(at, records)
