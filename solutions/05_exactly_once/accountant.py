"""The accountant with confluent-kafka, whose consumers read committed records unless told else."""

import json
import os
from collections import Counter

from confluent_kafka import Consumer, KafkaError, Producer

servers = {"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]}
consumer = Consumer(
    servers
    | {
        "group.id": os.environ["GROUP_ID"],
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
    }
)
topic = os.environ["INPUT_TOPIC"]
consumer.subscribe([topic])
left = set(consumer.list_topics(topic).topics[topic].partitions)
producer = Producer(servers)
totals: Counter[str] = Counter()
while left:
    message = consumer.poll(1.0)
    if message is None:
        continue
    if message.error() and message.error().code() == KafkaError._PARTITION_EOF:
        left.discard(message.partition())
        continue
    paid = json.loads(message.value())
    totals[paid["customer"]] += paid["amount"]
    row = {name: paid[name] for name in ("payment", "customer")}
    row["total"] = totals[paid["customer"]]
    producer.produce(os.environ["OUTPUT_TOPIC"], json.dumps(row).encode())
producer.flush()
consumer.close()
