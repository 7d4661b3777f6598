"""A right answer of another style: one row at a time, and Kafka's answer is waited for."""

import json
import os

import psycopg
from kafka import KafkaProducer

TAKE = """SELECT * FROM outbox WHERE sent_at IS NULL
          ORDER BY id FETCH FIRST ROW ONLY FOR UPDATE SKIP LOCKED"""

producer = KafkaProducer(
    bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
    key_serializer=str.encode,
    value_serializer=lambda value: json.dumps(value).encode(),
)

with psycopg.connect(os.environ["DATABASE_URL"], row_factory=psycopg.rows.dict_row) as db:
    while row := db.execute(TAKE).fetchone():
        event = {name: row[name] for name in ("aggregate", "type", "payload")}
        sent = producer.send(
            os.environ["OUTPUT_TOPIC"], {"event": row["id"], **event}, key=row["aggregate"]
        )
        sent.get(timeout=30)
        db.execute("UPDATE outbox SET sent_at = now() WHERE id = %(id)s", row)
        db.commit()
