"""Replaying flights to Kafka at a multiple of their real pace."""

import json
import time
import uuid
from datetime import timedelta

import pandas as pd
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from streamgym.data import flights


def replay(
    servers: str, frame: pd.DataFrame, *, pace: timedelta | None = None, partitions: int = 1
) -> str:
    """Produce flights to a new topic in the order in which they became known; return its name.

    Args:
        servers: the broker's bootstrap servers.
        frame: flights, as :mod:`streamgym.data.flights` gives them.
        pace: how much flight time passes in a second; as fast as can be when None.
        partitions: of the topic; records are keyed by airport.
    """
    topic = f"flights-{uuid.uuid4().hex[:8]}"
    admin = KafkaAdminClient(bootstrap_servers=servers)
    admin.create_topics([NewTopic(topic, partitions, 1, topic_configs={"retention.ms": "-1"})])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=servers, linger_ms=5)
    began, first = time.monotonic(), frame["actual"].iloc[0]
    for known, record in zip(frame["actual"], flights.records(frame), strict=True):
        if pace:
            time.sleep(max(0.0, (known - first) / pace - (time.monotonic() - began)))
        producer.send(topic, json.dumps(record).encode(), key=record["airport"].encode())
    producer.flush()
    producer.close()
    return topic


def log_times(servers: str, topic: str) -> list[float]:
    """Return when each record of a one-partition topic was produced, in seconds since 1970."""
    partition = TopicPartition(topic, 0)
    consumer = KafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest")
    consumer.assign([partition])
    end = consumer.end_offsets([partition])[partition]
    times: list[float] = []
    while consumer.position(partition) < end:
        for batch in consumer.poll(timeout_ms=1000).values():
            times += [record.timestamp / 1000 for record in batch]
    consumer.close()
    return times
