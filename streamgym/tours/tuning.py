"""What a producer's and a consumer's settings do: throughput, latency, requests and bytes."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from kafka import KafkaAdminClient

from streamgym.checks import topics
from streamgym.tours.orders import Event
from streamgym.tours.waiting import wait_until

COLOUR = "#3b7dd8"
STATISTICS = {"statistics.interval.ms": 50, "queue.buffering.max.messages": 1_000_000}


@dataclass
class Sent:
    """How some records were sent.

    Attributes:
        records: how many.
        seconds: from the first call until the last acknowledgement.
        requests: produce requests that it took, as the client counts them.
        stored: bytes that they take in the broker's log.
        latencies: seconds from the call to the acknowledgement, for each record.
    """

    records: int
    seconds: float = 0.0
    requests: int = 0
    stored: int = 0
    latencies: list[float] = field(default_factory=list, repr=False)

    @property
    def per_second(self) -> float:
        """Records a second."""
        return self.records / self.seconds

    @property
    def milliseconds(self) -> float:
        """The median latency."""
        return 1000 * median(self.latencies)


def send(servers: str, records: Sequence[Event], every: float = 0.0, **settings: Any) -> Sent:
    """Send records to a new topic, and return how that went.

    Args:
        servers: the broker's bootstrap servers.
        records: what is sent, as JSON.
        every: seconds between two of them; at once by default.
        settings: the producer's, with ``_`` for ``.``.

    Raises:
        StreamgymError: they were not all acknowledged in time.
    """
    topic, sent = topics.create(servers), Sent(len(records))

    def count(statistics: str) -> None:
        told = json.loads(statistics)
        if told["txmsgs"] >= len(records):
            sent.requests = sum(node["req"].get("Produce", 0) for node in told["brokers"].values())

    def acknowledged(_: KafkaError | None, message: Message) -> None:
        sent.latencies.append(message.latency() or 0.0)

    producer = Producer(_dotted(servers, settings) | STATISTICS | {"stats_cb": count})
    began = time.monotonic()
    for record in paced(records, every, producer.poll):
        producer.produce(topic, json.dumps(record).encode(), on_delivery=acknowledged)
    producer.flush()
    sent.seconds = time.monotonic() - began
    wait_until(lambda: bool(producer.poll(0.01)) and sent.requests > 0, "it is known how it went")
    sent.stored = stored(servers, topic)
    topics.delete(servers, [topic])
    return sent


def received(servers: str, records: Sequence[Event], every: float, **settings: Any) -> list[float]:
    """Read records while they are sent, and return how old each was when it came, in seconds.

    Args:
        servers: the broker's bootstrap servers.
        records: what is sent, as JSON.
        every: seconds between two of them.
        settings: the consumer's, with ``_`` for ``.``.

    Raises:
        StreamgymError: they did not all come in time.
    """
    topic, ages = topics.create(servers), list[float]()
    sending = threading.Thread(target=_trickle, args=(servers, topic, records, every))
    consumer = Consumer(_dotted(servers, settings) | {"group.id": topic})
    consumer.assign([TopicPartition(topic, 0, 0)])
    topics.produce(servers, topic, records[:1], key="")
    wait_until(lambda: bool(consumer.consume(1, 0.02)), "the consumer has begun")
    sending.start()

    def all_came() -> bool:
        while len(ages) < len(records) and (message := consumer.poll(1)):
            ages.append(time.time() - message.timestamp()[1] / 1000)
        return len(ages) == len(records)

    try:
        wait_until(all_came, f"{len(records)} records came")
    finally:
        sending.join()
        consumer.close()
        topics.delete(servers, [topic])
    return ages


def paced(
    records: Iterable[Event], every: float, pause: Callable[[float], object] = time.sleep
) -> Iterator[Event]:
    """Give records one by one, with so many seconds between them; ``pause`` may end early."""
    began = time.monotonic()
    for number, record in enumerate(records):
        pause(0)
        while (left := began + number * every - time.monotonic()) > 0:
            pause(left)
        yield record


def stored(servers: str, topic: str) -> int:
    """Return how many bytes a topic takes in the broker's log."""
    with closing(KafkaAdminClient(bootstrap_servers=servers)) as admin:
        told = admin.describe_log_dirs([topic])
    folders = [folder for broker in told for folder in broker["log_dirs"]]
    parts = [part for folder in folders for each in folder["topics"] for part in each["partitions"]]
    return sum(part["partition_size"] for part in parts)


def _trickle(servers: str, topic: str, records: Sequence[Event], every: float) -> None:
    producer = Producer(_dotted(servers, {"linger.ms": 0}))
    for record in paced(records, every, producer.poll):
        producer.produce(topic, json.dumps(record).encode())
    producer.flush()


def _dotted(servers: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    named = {name.replace("_", "."): value for name, value in settings.items()}
    return {"bootstrap.servers": servers} | named


def table(runs: Mapping[str, Sent]) -> pd.DataFrame:
    """Return a row for each run."""
    columns = {
        "records a second": [round(run.per_second) for run in runs.values()],
        "latency (ms)": [round(run.milliseconds, 1) for run in runs.values()],
        "requests": [run.requests for run in runs.values()],
        "bytes": [run.stored for run in runs.values()],
    }
    return pd.DataFrame(columns, index=list(runs))


def draw_speed(runs: Mapping[str, Sent]) -> None:
    """Draw each run as a point: its latency to the right, its throughput upwards."""
    _figure, axes = plt.subplots(figsize=(8, 3.5), layout="constrained")
    for number, (name, run) in enumerate(runs.items()):
        place, beside = (run.milliseconds, run.per_second), (6, -12 if number % 2 else 6)
        axes.plot(*place, "o", color=COLOUR)
        axes.annotate(name, place, xytext=beside, textcoords="offset points", fontsize=8)
    axes.set(xscale="log", yscale="log", xlabel="median latency (ms)", ylabel="records a second")
    axes.margins(x=0.25, y=0.2)
    plt.show()


def draw_ages(runs: Mapping[str, list[float]]) -> None:
    """Draw how old records were when they came, a row for each run; a line is a record."""
    _figure, axes = plt.subplots(figsize=(8, 0.8 * len(runs) + 0.9), layout="constrained")
    for row, ages in enumerate(runs.values()):
        axes.plot([1000 * age for age in ages], [row] * len(ages), "|", color=COLOUR, markersize=20)
    axes.set_yticks(range(len(runs)), list(runs))
    axes.set(xlabel="age when it comes (ms)", ylim=(len(runs) - 0.4, -0.6))
    plt.show()


def draw_bytes(runs: Mapping[str, Sent]) -> None:
    """Draw what each run takes in the log, for each of its records."""
    _figure, axes = plt.subplots(figsize=(8, 2.6), layout="constrained")
    sizes = [run.stored / run.records for run in runs.values()]
    bars = axes.barh(list(runs), sizes, color=COLOUR)
    axes.bar_label(bars, [f"{size:.0f}" for size in sizes], padding=3)
    axes.margins(x=0.1)
    axes.invert_yaxis()
    axes.set(xlabel="bytes a record in the log")
    plt.show()
