"""A right answer of another style: everything that one poll gave, in one transaction."""

import json
import os

import psycopg
from kafka import KafkaConsumer

from streamgym.workers import at_end

PLACE = """
WITH given AS (
    SELECT DISTINCT ON (id) id, customer, amount, whole
    FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::jsonb[]) AS t (id, customer, amount, whole)
), placed AS (
    INSERT INTO orders SELECT id, customer, amount FROM given ON CONFLICT DO NOTHING RETURNING id
)
INSERT INTO outbox (aggregate, type, payload)
SELECT id::text, 'OrderPlaced', whole FROM given JOIN placed USING (id) ORDER BY id
"""

consumer = KafkaConsumer(
    os.environ["INPUT_TOPIC"],
    bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
    group_id=os.environ["GROUP_ID"],
    auto_offset_reset="earliest",
    enable_auto_commit=False,
    max_poll_records=12,
)
with psycopg.connect(os.environ["DATABASE_URL"]) as db:
    while not at_end(consumer):
        polled = consumer.poll(timeout_ms=200)
        orders = [json.loads(record.value) for batch in polled.values() for record in batch]
        columns = [[order[name] for order in orders] for name in ("order", "customer", "amount")]
        db.execute(PLACE, [*columns, [json.dumps(order) for order in orders]])
        db.commit()
        consumer.commit()
