"""Workers that read a topic and write another, right and wrong, as text."""

READING = """
import json, os
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata
from streamgym.workers import at_end

servers, group = os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["GROUP_ID"]
consumer = KafkaConsumer(
    os.environ["INPUT_TOPIC"], bootstrap_servers=servers, group_id=group,
    enable_auto_commit=False, auto_offset_reset="earliest", max_poll_records=20,
)
target = os.environ["OUTPUT_TOPIC"]
"""
PLAIN = "producer = KafkaProducer(bootstrap_servers=servers)\n"
LOOP = """
while not at_end(consumer):
    batch = consumer.poll(timeout_ms=200)
    if batch:
        work(batch)
producer.flush()
consumer.close(autocommit=False)
"""
SEND = """
def send(batch):
    for records in batch.values():
        for record in records:
            producer.send(target, record.value, key=record.key)
"""


def _plain(*steps: str) -> str:
    body = "".join(f"    {step}\n" for step in steps)
    return f"{READING}{PLAIN}{SEND}\ndef work(batch):\n{body}{LOOP}"


PRODUCE_THEN_COMMIT = _plain("send(batch)", "producer.flush()", "consumer.commit()")
COMMIT_THEN_PRODUCE = _plain("consumer.commit()", "send(batch)", "producer.flush()")
FLUSH_FORGOTTEN = _plain("send(batch)", "consumer.commit()")
NEVER_COMMITS = _plain("send(batch)", "producer.flush()")

TRANSACTIONAL = f"""{READING}
producer = KafkaProducer(
    bootstrap_servers=servers, transactional_id=group + "-tx", retry_backoff_ms=20
)
producer.init_transactions()
{SEND}
def work(batch):
    producer.begin_transaction()
    send(batch)
    offsets = {{at: OffsetAndMetadata(rs[-1].offset + 1, "", -1) for at, rs in batch.items()}}
    producer.send_offsets_to_transaction(offsets, consumer.group_metadata())
    producer.commit_transaction()
{LOOP}"""

KEEPS_A_FILE = (
    READING
    + PLAIN
    + SEND
    + """
from pathlib import Path

def work(batch):
    send(batch)
    producer.flush()
    Path("done").write_text("yes")
    consumer.commit()
"""
    + LOOP
)
