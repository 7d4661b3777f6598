"""Running totals without an engine: state and position in one SQLite transaction."""

import json
import os
import sqlite3

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from streamgym.workers import at_end

servers, topic = os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["INPUT_TOPIC"]
store = sqlite3.connect("totals.db")
store.execute("CREATE TABLE IF NOT EXISTS total (customer TEXT PRIMARY KEY, cents INT)")
store.execute("CREATE TABLE IF NOT EXISTS position (part INT PRIMARY KEY, next INT)")
consumer = KafkaConsumer(
    bootstrap_servers=servers, max_poll_records=10, auto_offset_reset="earliest"
)
producer = KafkaProducer(bootstrap_servers=servers)
parts = [TopicPartition(topic, n) for n in sorted(consumer.partitions_for_topic(topic))]
consumer.assign(parts)
known = dict(store.execute("SELECT part, next FROM position"))
for part in parts:
    consumer.seek(part, known.get(part.partition, 0))


def total_with(customer: str, amount: int) -> int:
    add = "INSERT INTO total VALUES (?, ?) ON CONFLICT DO UPDATE SET cents = cents + ? RETURNING cents"
    ((cents,),) = store.execute(add, (customer, amount, amount)).fetchall()
    return cents


def write(order: dict) -> None:
    customer = order["customer"]
    row = {"id": order["order"], "order": order["order"], "customer": customer}
    row["total"] = total_with(customer, order["amount"])
    producer.send(os.environ["OUTPUT_TOPIC"], json.dumps(row).encode(), key=customer.encode())


while not at_end(consumer):
    for part, records in consumer.poll(timeout_ms=200).items():
        for record in records:
            write(json.loads(record.value))
        position = (part.partition, records[-1].offset + 1)
        store.execute("INSERT OR REPLACE INTO position VALUES (?, ?)", position)
    producer.flush()
    store.commit()
