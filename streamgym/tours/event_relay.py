"""The relay of the event store (tour of chapter 8): from Postgres to Kafka, at least once.

It is run as a script of its own. Lab 06 shows why it is written so: first all is flushed, then the
events are marked as sent.
"""

import json
import os

import psycopg
from kafka import KafkaProducer
from psycopg.rows import dict_row

NEXT = """
    SELECT position, account, version, type, amount FROM events
    WHERE NOT sent ORDER BY position LIMIT 200
"""


def main() -> None:
    """Send events for ever; sleep in Postgres while there are none."""
    producer = KafkaProducer(bootstrap_servers=os.environ["BROKERS"])
    url, topic = os.environ["STORE"], os.environ["TOPIC"]
    db = psycopg.connect(url, autocommit=True, row_factory=dict_row)
    db.execute("LISTEN events")
    while True:
        rows = db.execute(NEXT).fetchall()
        for row in rows:
            producer.send(topic, json.dumps(row).encode(), key=row["account"].encode())
        producer.flush()
        sent = [row["position"] for row in rows]
        db.execute("UPDATE events SET sent = true WHERE position = ANY(%s)", [sent])
        if not rows:
            list(db.notifies(timeout=10, stop_after=1))


if __name__ == "__main__":
    main()
