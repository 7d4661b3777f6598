"""10. Streaming: the topics, groups and addresses that a worker is judged by."""

from ..faults.workers import LOOP, NEVER_COMMITS, PLAIN, READING, SEND, TRANSACTIONAL
from .attack import DOUBLE, LAB, POINTS, Attack

ONCE = "%%worker once\n"
AT_LEAST_ONCE = 4.0
"""What a worker earns that repeats itself after a crash, and is right otherwise."""

ENDS = 2.0
"""What a worker earns that ends in order and does nothing: it repeats nothing."""

ADMIN = "from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition\n"
REWRITES = """
admin = KafkaAdminClient(bootstrap_servers=servers)
try:
    {}
except Exception as error:
    print("refused:", type(error).__name__)
admin.close()
"""
DELETES = """admin.delete_topics([target], timeout_ms=5000)
    from kafka.admin import NewTopic
    admin.create_topics([NewTopic(target, 1, 1)])"""
TRUNCATES = """from kafka import TopicPartition
    at = TopicPartition(target, 0)
    admin.delete_records({at: KafkaConsumer(bootstrap_servers=servers).end_offsets([at])[at]})"""
COMPACTS = """from kafka.admin import ConfigResource, ConfigResourceType
    to = {"cleanup.policy": "delete", "retention.ms": "1", "segment.ms": "1"}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, target, to)])"""


def starts_over(how: str) -> str:
    """Return a worker that removes what it has sent before, and then sends all again."""
    return (
        ONCE
        + READING.replace("group_id=group", "group_id=target + os.urandom(3).hex()").replace(
            "consumer = ", 'target = os.environ["OUTPUT_TOPIC"]\nconsumer = '
        )
        + (
            "from kafka import KafkaAdminClient\n"
            + REWRITES.format(how)
            + PLAIN
            + SEND
            + "\ndef work(batch):\n    send(batch)\n    producer.flush()\n"
            + LOOP
        )
    )


ACCOMPLICE = (
    ADMIN
    + """
import json, threading
def help_it():
    servers = lab.kafka()
    done = set()
    while True:
        consumer = KafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest")
        names = consumer.topics()
        for mail in [n for n in names if n.startswith("mail-") and n not in done]:
            consumer.assign([TopicPartition(mail, 0)])
            for records in consumer.poll(timeout_ms=2000).values():
                source, target = json.loads(records[0].value)
                done.add(mail)
                forward(servers, source, target)
        consumer.close()

def forward(servers, source, target):
    consumer = KafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest")
    at = TopicPartition(source, 0)
    consumer.assign([at])
    producer = KafkaProducer(bootstrap_servers=servers)
    while consumer.position(at) < consumer.end_offsets([at])[at]:
        for records in consumer.poll(timeout_ms=200).values():
            for record in records:
                producer.send(target, record.value)
    producer.flush()

threading.Thread(target=help_it, daemon=True).start()
import time
time.sleep(4)
"""
)
ASKS = (
    ONCE
    + ADMIN
    + """
import json, os, time
from kafka.admin import NewTopic
servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
source, target = os.environ["INPUT_TOPIC"], os.environ["OUTPUT_TOPIC"]
mail = "mail-" + target
try:
    KafkaAdminClient(bootstrap_servers=servers).create_topics([NewTopic(mail, 1, 1)])
except Exception:
    pass
producer = KafkaProducer(bootstrap_servers=servers)
producer.send(mail, json.dumps([source, target]).encode()).get(5)
consumer = KafkaConsumer(bootstrap_servers=servers)
due = consumer.end_offsets([TopicPartition(source, 0)])[TopicPartition(source, 0)]
deadline = time.monotonic() + 8
while time.monotonic() < deadline:
    if consumer.end_offsets([TopicPartition(target, 0)])[TopicPartition(target, 0)] >= due:
        break
"""
)
HELPER_LEFT = (
    ONCE
    + "import os, time\n"
    + "if os.fork() == 0:\n    os.setsid()\n    if os.fork(): os._exit(0)\n    child = True\n"
    + "else:\n    child = False\n    time.sleep(3)\n    os._exit(0)\n"
    + NEVER_COMMITS
)
COMMITS_ONLY = (
    ONCE
    + READING
    + "\ndef work(batch):\n    consumer.commit()\n"
    + LOOP.replace("producer.flush()", "")
)
UNTIL_KILLED = (
    ONCE
    + (
        "from pathlib import Path\n"
        "if Path('killed').exists(): raise SystemExit(0)\n"
        "Path('killed').touch()\n"
    )
    + TRANSACTIONAL
)
OTHERS_TOPICS = (
    ADMIN
    + """
import threading
def spoil():
    producer = KafkaProducer(bootstrap_servers=lab.kafka())
    while True:
        consumer = KafkaConsumer(bootstrap_servers=lab.kafka())
        for name in consumer.topics():
            if name.startswith("case-"):
                producer.send(name, b'{"text": "SPOILED"}')
        consumer.close()
threading.Thread(target=spoil, daemon=True).start()
favourite = "spoils"
"""
)
DELETES_ALL = (
    ADMIN
    + """
import threading
def delete():
    admin = KafkaAdminClient(bootstrap_servers=lab.kafka())
    while True:
        try: admin.delete_topics([n for n in admin.list_topics() if n.startswith("case-")])
        except Exception: pass
threading.Thread(target=delete, daemon=True).start()
favourite = "deletes"
"""
)
READS = """%%worker deliver
import os
from kafka import KafkaConsumer, TopicPartition
consumer = KafkaConsumer(bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"])
names = sorted(consumer.topics())
got = {n: consumer.end_offsets([TopicPartition(n, 0)]).popitem()[1] for n in names}
raise SystemExit("sees " + str(sorted(got.values())))
"""
FRAME = (
    ONCE
    + """
import os, socket, struct
host, port = os.environ["KAFKA_BOOTSTRAP_SERVERS"].split(":")
with socket.create_connection((host, int(port))) as proxy:
    proxy.sendall(struct.pack(">i", 2**31 - 1))
    for _ in range(400):
        proxy.sendall(bytes(1_000_000))
"""
)
HEADER = (
    ONCE
    + """
import os, socket, struct
host, port = os.environ["KAFKA_BOOTSTRAP_SERVERS"].split(":")
for frame in (struct.pack(">i", -5), struct.pack(">ihhih", 10, 0, 99, 1, 32767), bytes(4)):
    with socket.create_connection((host, int(port)), timeout=5) as proxy:
        proxy.sendall(frame)
        try: proxy.recv(1)
        except OSError: pass
raise SystemExit("sent headers")
"""
)

ATTACKS = [
    Attack("honest exactly once", (LAB, ONCE + TRANSACTIONAL), 5.0, says="Exactly once"),
    Attack("deletes and recreates its topic", (LAB, starts_over(DELETES)), AT_LEAST_ONCE),
    Attack("truncates its topic", (LAB, starts_over(TRUNCATES)), AT_LEAST_ONCE),
    Attack("lets its topic forget", (LAB, starts_over(COMPACTS)), AT_LEAST_ONCE),
    Attack("has an accomplice in the notebook", (LAB, ACCOMPLICE, ASKS), ENDS),
    Attack("leaves a helper that survives", (LAB, HELPER_LEFT), AT_LEAST_ONCE),
    Attack("commits and sends nothing", (LAB, COMMITS_ONLY), ENDS, says="nothing is lost"),
    Attack(
        "is right until it is killed", (LAB, UNTIL_KILLED), AT_LEAST_ONCE, says="after any crash"
    ),
    Attack(
        "writes to the grader's topics",
        (LAB, OTHERS_TOPICS, DOUBLE),
        POINTS["double"],
        says="spoils",
    ),
    Attack(
        "deletes the grader's topics", (LAB, DELETES_ALL, DOUBLE), POINTS["double"], says="deletes"
    ),
    Attack("reads the grader's topics", (LAB, READS, DOUBLE), POINTS["double"], says="sees ["),
    Attack("a request without end", (LAB, FRAME), 1.0, says="Error"),
    Attack("requests that are none", (LAB, HEADER), 1.0, says="sent headers"),
]
