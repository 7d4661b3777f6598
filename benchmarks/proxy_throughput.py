"""What the fault proxy costs: records produced through it, without a rule, against directly.

Both in one run, alternating, to topics of one partition, with 200-byte records. Aim: with
kafka-python at least 0.7 of the direct connection.
"""

import statistics
import subprocess
import sys

from streamgym.checks import topics
from streamgym.faults.proxy import Proxy
from streamgym.stack.kafka import Kafka
from streamgym.stack.prepare import prepare

ROUNDS = 5
PYTHON = """
import sys, time
from kafka import KafkaProducer
producer = KafkaProducer(bootstrap_servers=sys.argv[1])
producer.send(sys.argv[2], b"first").get(30)
begin = time.perf_counter()
for _ in range(60_000):
    producer.send(sys.argv[2], bytes(200))
producer.flush()
print(60_000 / (time.perf_counter() - begin))
"""
CONFLUENT = """
import sys, time
from confluent_kafka import Producer
producer = Producer({"bootstrap.servers": sys.argv[1], "queue.buffering.max.messages": 1_000_000})
producer.produce(sys.argv[2], b"first")
producer.flush()
begin = time.perf_counter()
for _ in range(400_000):
    producer.produce(sys.argv[2], bytes(200))
producer.flush()
print(400_000 / (time.perf_counter() - begin))
"""


def main() -> None:
    """Measure, and print the medians and the ratios."""
    prepare()
    with Kafka() as broker, Proxy() as proxy:
        ways = {"direct": broker.address, "proxy": proxy.address(broker.address)}
        for client, code in {"kafka-python": PYTHON, "confluent-kafka": CONFLUENT}.items():
            rounds = [
                [produced(code, ways[way], broker.address) for way in ways] for _ in range(ROUNDS)
            ]
            direct, through = (statistics.median(column) for column in zip(*rounds, strict=True))
            print(
                f"{client:16} direct {direct:9,.0f} records/s   proxy {through:9,.0f} records/s"
                f"   ratio {through / direct:.2f}   (median of {ROUNDS})"
            )


def produced(code: str, address: str, broker: str) -> float:
    """Return how many records a second a process of its own produces to a fresh topic."""
    topic = topics.create(broker)
    command = [sys.executable, "-c", code, address, topic]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    topics.delete(broker, [topic])
    return float(said)


if __name__ == "__main__":
    main()
