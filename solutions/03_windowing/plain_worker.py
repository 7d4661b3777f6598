"""A right answer to hourly_delays without a stream processor: a consumer, a dict and a producer."""

import json
import os
from collections import defaultdict
from datetime import datetime, timedelta

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

servers, topic = os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["INPUT_TOPIC"]
lateness = timedelta(minutes=int(os.environ["LATENESS_MINUTES"]))
consumer = KafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest")
producer = KafkaProducer(bootstrap_servers=servers)
partitions = [
    TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))
]
ends = consumer.end_offsets(partitions)
consumer.assign(partitions)

newest: dict[str, datetime] = {}
delays: dict[tuple[str, datetime], list[float]] = defaultdict(list)
while any(consumer.position(partition) < ends[partition] for partition in partitions):
    for batch in consumer.poll(timeout_ms=1000).values():
        for record in batch:
            flight = json.loads(record.value)
            airport, time = flight["airport"], datetime.fromisoformat(flight["scheduled"])
            newest[airport] = max(time, newest.get(airport, time))
            if time < newest[airport] - lateness:
                producer.send(os.environ["LATE_TOPIC"], record.value)
            else:
                hour = time.replace(minute=0, second=0, microsecond=0)
                delays[airport, hour].append(flight["delay"])

for (airport, hour), found in delays.items():
    row = {
        "airport": airport,
        "start": hour.isoformat(),
        "flights": len(found),
        "mean_delay": sum(found) / len(found),
    }
    producer.send(os.environ["OUTPUT_TOPIC"], json.dumps(row).encode())
producer.flush()
