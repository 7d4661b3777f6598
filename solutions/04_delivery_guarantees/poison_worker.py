"""Good and bad orders told apart without exceptions; one record is finished after the other."""

import json
import os

from kafka import KafkaConsumer, KafkaProducer

from streamgym.workers import at_end

servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
producer = KafkaProducer(bootstrap_servers=servers)
consumer = KafkaConsumer(
    os.environ["INPUT_TOPIC"],
    bootstrap_servers=servers,
    group_id=os.environ["GROUP_ID"],
    auto_offset_reset="earliest",
    enable_auto_commit=False,
    max_poll_records=15,
)


def complaint(value: bytes) -> str:
    try:
        order = json.loads(value)
    except ValueError:
        return "this is not JSON"
    amount = order.get("amount") if isinstance(order, dict) else None
    if isinstance(amount, bool) or not isinstance(amount, int):
        return "the amount is no whole number"
    return "" if amount > 0 else "the amount is not above 0"


while not at_end(consumer):
    for partition, records in consumer.poll(1000).items():
        for record in records:
            wrong = complaint(record.value)
            where = [("partition", b"%d" % partition.partition), ("topic", record.topic.encode())]
            where += [("offset", b"%d" % record.offset), ("error", wrong.encode())]
            producer.send(
                os.environ["DEAD_LETTER_TOPIC" if wrong else "OUTPUT_TOPIC"],
                record.value,
                record.key,
                headers=where if wrong else [],
            )
        producer.flush()
    consumer.commit()
