"""Charges over one kept-alive connection, each booked in a transaction of its own."""

import http.client
import json
import os
from urllib.parse import urlsplit

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition

from streamgym.workers import at_end

servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
service = urlsplit(os.environ["PAYMENTS_URL"])
connection = http.client.HTTPConnection(service.hostname, service.port)
consumer = KafkaConsumer(
    os.environ["INPUT_TOPIC"],
    bootstrap_servers=servers,
    group_id=os.environ["GROUP_ID"],
    enable_auto_commit=False,
    auto_offset_reset="earliest",
    max_poll_records=8,
)
producer = KafkaProducer(
    bootstrap_servers=servers,
    transactional_id=os.environ["TRANSACTIONAL_ID"],
    retry_backoff_ms=20,
)
producer.init_transactions()


def charge(order: dict) -> bytes:
    wanted = json.dumps({"order": order["order"], "amount": order["amount"]})
    headers = {"Content-Type": "application/json", "idempotency-key": str(order["order"])}
    connection.request("POST", service.path, wanted, headers)
    return connection.getresponse().read()


while not at_end(consumer):
    for at, records in consumer.poll(timeout_ms=200).items():
        charged = [charge(json.loads(record.value)) for record in records]
        producer.begin_transaction()
        for answer in charged:
            producer.send(os.environ["OUTPUT_TOPIC"], answer)
        then = {TopicPartition(*at): OffsetAndMetadata(records[-1].offset + 1, "", -1)}
        producer.send_offsets_to_transaction(then, consumer.group_metadata())
        producer.commit_transaction()
