"""The guide's shop (chapter 6): its topics, the services that run, and what they did."""

import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import groupby

import matplotlib.pyplot as plt
import pandas as pd
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import NewTopic
from matplotlib.axes import Axes

from streamgym.checks import topics
from streamgym.data.ekart_events import TOPICS
from streamgym.faults.process import Process
from streamgym.lab.scripts import workspace
from streamgym.tours.orders import Event
from streamgym.tours.waiting import wait_until

PARTITIONS = 3
ENDS = {"order-completed": "#2e9e5b", "order-cancelled": "#d1433f"}
BOTH, UNDER_WAY = "#e08a00", "#9a9a9a"


@dataclass(frozen=True)
class Step:
    """An event as it lies in its topic; ``seconds`` is when it was sent, since 1970."""

    topic: str
    partition: int
    order: str
    seconds: float
    event: Event


@dataclass(frozen=True)
class Shop:
    """Five topics of three partitions with names of their own, and services that run.

    Attributes:
        servers: the broker's bootstrap servers.
        suffix: what the names of its topics and groups end with.
    """

    servers: str
    suffix: str = field(default_factory=lambda: f"-{uuid.uuid4().hex[:8]}")
    _running: ExitStack = field(default_factory=ExitStack, repr=False)

    @classmethod
    def open(cls, servers: str) -> "Shop":
        """Create the topics, and return the shop."""
        shop = cls(servers)
        admin = KafkaAdminClient(bootstrap_servers=servers)
        admin.create_topics([NewTopic(name + shop.suffix, PARTITIONS, 1) for name in TOPICS])
        admin.close()
        return shop

    def start(self, script: str) -> Process:
        """Start a service as a process of its own; it ends when the shop closes."""
        place = self._running.enter_context(workspace(script))
        return place.start({"BROKERS": self.servers, "SUFFIX": self.suffix})

    def close(self) -> None:
        """End all services, and delete the topics."""
        self._running.close()
        topics.delete(self.servers, [name + self.suffix for name in TOPICS])

    def place(self, orders: Iterable[Event]) -> None:
        """Let customers place orders."""
        topics.produce(self.servers, f"order-created{self.suffix}", orders, key="order_id")

    def steps(self) -> list[Step]:
        """Return the events of all topics, by the time at which they were sent."""
        with closing(KafkaConsumer(bootstrap_servers=self.servers)) as consumer:
            return sorted(_steps(consumer, self.suffix), key=lambda step: step.seconds)

    def settle(self, groups: Mapping[str, str]) -> None:
        """Wait until no event waits for these groups, each given with its topic.

        Raises:
            StreamgymError: some wait too long.
        """
        wait_until(lambda: not self.read_by(groups)["waiting"].any(), "all events are read")

    def read_by(self, groups: Mapping[str, str]) -> pd.DataFrame:
        """Return how many events each group has read of its topic, and how many wait."""
        # First what was read, then what there is: so nothing is missed that comes meanwhile.
        read = {g: sum(topics.committed(self.servers, g + self.suffix).values()) for g in groups}
        with closing(KafkaConsumer(bootstrap_servers=self.servers)) as consumer:
            ends = consumer.end_offsets(_partitions(self.suffix, set(groups.values())))
        held: Counter[str] = Counter()
        for partition, end in ends.items():
            held[partition.topic.removesuffix(self.suffix)] += end
        rows = [(g, topic, read[g], held[topic] - read[g]) for g, topic in groups.items()]
        return pd.DataFrame(rows, columns=["group", "topic", "read", "waiting"]).set_index("group")


def _partitions(suffix: str, names: Iterable[str] = TOPICS) -> list[TopicPartition]:
    return [TopicPartition(name + suffix, p) for name in names for p in range(PARTITIONS)]


def _steps(consumer: KafkaConsumer, suffix: str) -> Iterator[Step]:
    partitions = _partitions(suffix)
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    ends = consumer.end_offsets(partitions)
    while any(consumer.position(at) < end for at, end in ends.items()):
        for records in consumer.poll(timeout_ms=100).values():
            for r in records:
                topic, event = r.topic.removesuffix(suffix), json.loads(r.value)
                yield Step(topic, r.partition, r.key.decode(), r.timestamp / 1000, event)


def stories(steps: Iterable[Step]) -> dict[str, list[Step]]:
    """Return the steps of each order, by its number."""
    by_order = sorted(steps, key=lambda step: int(step.order))  # keeps the order in time
    return {order: list(found) for order, found in groupby(by_order, lambda step: step.order)}


def draw(steps: list[Step]) -> None:
    """Draw each order as a line through its topics; its colour is how it ended."""
    _figure, axes = plt.subplots(figsize=(9, 3.2), layout="constrained")
    told = stories(steps)
    began = min(step.seconds for step in steps)
    for number, story in enumerate(told.values()):
        shift = 0.5 * (number / max(1, len(told) - 1) - 0.5)
        height = [-TOPICS.index(step.topic) - shift for step in story]
        times = [step.seconds - began for step in story]
        axes.plot(times, height, "o-", color=_colour(story), markersize=4, linewidth=1)
    axes.set_yticks([-n for n in range(len(TOPICS))], TOPICS)
    axes.set(xlabel="seconds", ylim=(-len(TOPICS) + 0.4, 0.6))
    _legend(axes)
    plt.show()


def _colour(story: list[Step]) -> str:
    ends = {step.topic for step in story} & ENDS.keys()
    return BOTH if len(ends) == 2 else next((ENDS[end] for end in ends), UNDER_WAY)


def _legend(axes: Axes) -> None:
    meanings = {"completed": ENDS["order-completed"], "cancelled": ENDS["order-cancelled"]}
    for meaning, colour in {**meanings, "both": BOTH, "under way": UNDER_WAY}.items():
        axes.plot([], [], "o-", color=colour, label=meaning)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
