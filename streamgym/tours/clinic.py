"""Five pipelines that are broken, each in its own way, and what ails them, read off the broker."""

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import matplotlib.pyplot as plt
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from matplotlib.axes import Axes

from streamgym.checks import topics
from streamgym.checks.topics import Record
from streamgym.data import shop
from streamgym.faults.process import Process, Workspace
from streamgym.lab.scripts import workspace
from streamgym.tours import handling
from streamgym.tours.waiting import wait_until

PARTITIONS = 3
BEFORE, WAITING = 39, 120
"""Orders that were handled in good days, and those that wait now."""

RESELLER: dict[str, Any] = {
    "customer": "reseller",
    "amount": 1_250_000,
    "items": [{"product": "mug", "quantity": 1000, "price": 1250}],
}
"""What an order of the largest customer holds."""

POISON = b"4711;c17;mug;2"
"""A record in another format than all others."""

SECONDS = 20.0

NOBODY = "the group has no member: nobody reads"
GONE = "records were deleted before they were read"
UNREADABLE = "a record cannot be read, and those behind it wait"
OPEN = "a transaction is open, and readers of committed records wait for its end"
HOT = "most records have the same key, so they share a partition"
SLOW = "the members are too few for the work"
ILLNESSES = (NOBODY, GONE, UNREADABLE, OPEN, HOT, SLOW)

MINUTES = 15
"""How long a transaction may stay open: the longest that a broker allows by default."""

READ, UNREAD, LOST = "#cfe8d5", "#e08a00", "#d1433f"


@dataclass(frozen=True)
class Partition:
    """Offsets of one partition.

    Attributes:
        number: which one.
        begin: the first record that is still there.
        committed: where the group goes on.
        stable: where readers of committed records must stop.
        end: where the next record will be.
    """

    number: int
    begin: int
    committed: int
    stable: int
    end: int

    @property
    def lag(self) -> int:
        """What the group has not read of it, as Kafka's tools count."""
        return self.end - self.committed


@dataclass(frozen=True)
class Findings:
    """All that is needed to say what ails a pipeline.

    Attributes:
        partitions: of its topic.
        members: how many its group has.
        records: of its topic, committed or not.
    """

    partitions: Sequence[Partition]
    members: int
    records: Sequence[Record]

    @property
    def lag(self) -> int:
        """Over all partitions."""
        return sum(partition.lag for partition in self.partitions)

    @property
    def worst(self) -> Partition:
        """The partition in which most records wait."""
        return max(self.partitions, key=lambda partition: partition.lag)

    @property
    def illness(self) -> str:
        """What ails it: one of ``ILLNESSES``; the worst comes first."""
        keys = Counter(record.key for record in self.records)
        signs = {
            GONE: any(p.committed < p.begin for p in self.partitions),
            NOBODY: not self.members,
            OPEN: any(p.stable < p.end for p in self.partitions),
            UNREADABLE: any("not JSON" in record.value for record in self._next()),
            HOT: max(keys.values(), default=0) > len(self.records) / 2,
        }
        return next((illness for illness, is_seen in signs.items() if is_seen), SLOW)

    def _next(self) -> list[Record]:
        """Return the record of each partition that the group would read next."""
        at = {(p.number, p.committed) for p in self.partitions}
        return [record for record in self.records if (record.partition, record.offset) in at]


@dataclass
class Pipeline:
    """A topic of orders and the service that handles them; its group is called as its topic.

    Attributes:
        servers: the broker's bootstrap servers.
        name: what the service does.
        topic: the topic's name, and the group's.
        orders: all that were placed.
        per_item: how long the service takes for an item, in seconds.
    """

    servers: str
    name: str
    per_item: float = 0.0
    topic: str = field(init=False)
    orders: list[dict[str, Any]] = field(default_factory=list, repr=False)
    _members: list[tuple[Workspace, Process]] = field(default_factory=list, repr=False)
    _open: ExitStack = field(default_factory=ExitStack, repr=False)

    def __post_init__(self) -> None:
        self.topic = f"{self.name}-{uuid.uuid4().hex[:4]}"
        with closing(KafkaAdminClient(bootstrap_servers=self.servers)) as admin:
            admin.create_topics([NewTopic(self.topic, PARTITIONS, 1)])
        self._writer = KafkaProducer(bootstrap_servers=self.servers)
        self._open.enter_context(closing(self._writer))

    def start(self, members: int = 1) -> None:
        """Start members of the service, each a process."""
        for _ in range(members):
            place = self._open.enter_context(workspace(Path(handling.__file__).read_text()))
            env = {"BROKERS": self.servers, "TOPIC": self.topic}
            env |= {"SECONDS_PER_ITEM": str(self.per_item), "CLIENT": self.name}
            self._members.append((place, place.start(env)))

    def stop(self) -> None:
        """End all members, and have the group forget them."""
        for _, process in self._members:
            process.kill()
        topics.remove_members(self.servers, [self.topic])

    def close(self) -> None:
        """End all that runs, and delete the topic."""
        self._open.close()
        topics.delete(self.servers, [self.topic])

    def place(self, number: int, key: str = "customer", **fields: Any) -> list[int]:
        """Let so many customers order, and return in which partitions their orders lie.

        ``fields`` are the same in all these orders.
        """
        drawn = shop.orders(Random(self.name), len(self.orders) + number, customers=50)
        orders = [order | fields for order in drawn[len(self.orders) :]]
        self.orders += orders
        return self.send(orders, key)

    def send(self, orders: Iterable[Mapping[str, Any]], key: str = "customer") -> list[int]:
        """Send orders, keyed by one of their fields, and return in which partitions they lie."""
        sent = [
            self._writer.send(self.topic, json.dumps(order).encode(), key=str(order[key]).encode())
            for order in orders
        ]
        return [each.get(timeout=SECONDS).partition for each in sent]

    def handled(self) -> set[int]:
        """Return the numbers of all orders that members have handled."""
        files = [place.folder / "handled" for place, _ in self._members]
        return {int(n) for file in files if file.exists() for n in file.read_text().split()}

    def lag(self) -> int:
        """Return how many records wait, over all partitions."""
        return sum(partition.lag for partition in self.partitions())

    def settle(self, lag: int = 0, but: int | None = None) -> None:
        """Wait until no more than so many records wait; one partition may be left out.

        Raises:
            StreamgymError: they wait too long.
        """

        def is_settled() -> bool:
            return sum(p.lag for p in self.partitions() if p.number != but) <= lag

        wait_until(is_settled, f"no more than {lag} records wait for {self.name}")

    def partitions(self) -> list[Partition]:
        """Return the offsets of each partition, as of now."""
        at = [TopicPartition(self.topic, number) for number in range(PARTITIONS)]
        done = topics.committed(self.servers, self.topic)
        with closing(KafkaConsumer(bootstrap_servers=self.servers)) as consumer:
            begins, ends = consumer.beginning_offsets(at), consumer.end_offsets(at)
        committed_only = KafkaConsumer(
            bootstrap_servers=self.servers, isolation_level="read_committed"
        )
        with closing(committed_only):
            stable = committed_only.end_offsets(at)
        return [
            Partition(p.partition, begins[p], done.get(tuple(p), 0), stable[p], ends[p]) for p in at
        ]

    def examine(self) -> Findings:
        """Look at the group, the offsets and the records."""
        with closing(KafkaAdminClient(bootstrap_servers=self.servers)) as admin:
            members = len(admin.describe_groups([self.topic])[self.topic]["members"])
        records = topics.records(self.servers, self.topic, "read_uncommitted")
        return Findings(self.partitions(), members, records)

    def send_poison(self) -> int:
        """Send a record that is no order, and return its partition."""
        sent = self._writer.send(self.topic, POISON, key=b"c17")
        return int(sent.get(timeout=SECONDS).partition)

    def leave_open(self) -> int:
        """Send an order in a transaction that stays open, and return its partition."""
        till = KafkaProducer(
            bootstrap_servers=self.servers,
            transactional_id=f"{self.topic}-till",
            transaction_timeout_ms=MINUTES * 60_000,
        )
        self._open.callback(till.close, timeout=1)
        till.init_transactions()
        till.begin_transaction()
        (order,) = shop.orders(Random(0), 1)
        sent = till.send(self.topic, json.dumps(order).encode(), key=b"c17")
        return int(sent.get(timeout=SECONDS).partition)

    def pile_up(self, partition: int) -> None:
        """Let customers order until one partition has ``WAITING`` records after good days."""
        missing = WAITING - 1
        while missing:
            missing -= self.place(missing).count(partition)


def mail(pipeline: Pipeline) -> None:
    """Stop the service after good days."""
    pipeline.start()
    pipeline.place(BEFORE)
    pipeline.settle()
    pipeline.stop()
    pipeline.place(WAITING)


def loyalty(pipeline: Pipeline) -> None:
    """Stop the service, and delete about half of what it has not read."""
    mail(pipeline)
    before = {p.number: p.end - p.lag // 2 for p in pipeline.partitions()}
    topics.delete_records(pipeline.servers, pipeline.topic, before)


def packing(pipeline: Pipeline) -> None:
    """Put a record into its way that it cannot read."""
    pipeline.start()
    pipeline.place(BEFORE)
    pipeline.pile_up(pipeline.send_poison())
    pipeline.settle(WAITING)


def fraud(pipeline: Pipeline) -> None:
    """Let somebody write in a transaction, and neither commit nor abort it."""
    pipeline.start()
    pipeline.place(BEFORE)
    pipeline.pile_up(pipeline.leave_open())
    pipeline.settle(WAITING)


def billing(pipeline: Pipeline) -> None:
    """Let one customer order far more than all others."""
    pipeline.per_item = 0.005
    pipeline.start(members=PARTITIONS)
    pipeline.place(BEFORE)
    pipeline.settle()
    pipeline.place(WAITING, **RESELLER)


WAYS: Sequence[Callable[[Pipeline], None]] = (billing, fraud, loyalty, mail, packing)


def admit(servers: str) -> dict[str, Pipeline]:
    """Set up five pipelines, break each, and return them by name.

    Raises:
        StreamgymError: it takes too long.
    """
    with ThreadPoolExecutor(len(WAYS)) as pool:
        made = list(pool.map(lambda way: Pipeline(servers, way.__name__), WAYS))
        list(pool.map(lambda way, pipeline: way(pipeline), WAYS, made))
    return {pipeline.name: pipeline for pipeline in made}


def examine(pipelines: Mapping[str, Pipeline]) -> dict[str, Findings]:
    """Examine all at once, and return what was found by name."""
    with ThreadPoolExecutor() as pool:
        found = pool.map(Pipeline.examine, pipelines.values())
        return dict(zip(pipelines, found, strict=True))


def close(pipelines: Mapping[str, Pipeline]) -> None:
    """Close all at once."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(Pipeline.close, pipelines.values()))


def draw_lag(pipelines: Mapping[str, Pipeline]) -> None:
    """Draw how many records each pipeline has not read."""
    _figure, axes = plt.subplots(figsize=(9, 2), layout="constrained")
    bars = axes.barh(list(pipelines), [p.lag() for p in pipelines.values()], color=UNREAD)
    axes.bar_label(bars, padding=3)
    axes.invert_yaxis()
    axes.set_xlabel("records that wait (lag)")
    plt.show()


def draw(**times: Mapping[str, Findings]) -> None:
    """Draw each partition of each pipeline as a bar of offsets, as found at these times."""
    _figure, columns = plt.subplots(
        1, len(times), figsize=(9.5, 4.4), sharey=True, squeeze=False, layout="constrained"
    )
    for axes, (title, found) in zip(columns[0], times.items(), strict=True):
        for row, findings in enumerate(found.values()):
            for partition in findings.partitions:
                _bar(axes, row * (PARTITIONS + 1) + partition.number, partition)
        axes.set(title=title.replace("_", " "), xlabel="offset")
    rows = [row * (PARTITIONS + 1) + 1 for row in range(len(found))]
    columns[0][0].set_yticks(rows, list(found))
    columns[0][0].invert_yaxis()
    _legend(columns[0][-1])
    plt.show()


def _bar(axes: Axes, row: int, partition: Partition) -> None:
    done, begin, end = partition.committed, partition.begin, partition.end
    spans = [(0, done, READ), (done, max(done, begin), LOST), (max(done, begin), end, UNREAD)]
    for left, right, colour in spans:
        axes.barh(row, right - left, left=left, color=colour, height=0.8)
    if partition.stable < end:
        axes.plot([partition.stable] * 2, [row - 0.5, row + 0.5], color="black", linewidth=2)


def _legend(axes: Axes) -> None:
    for meaning, colour in {"read": READ, "waits": UNREAD, "deleted unread": LOST}.items():
        axes.barh(0, 0, color=colour, label=meaning)
    axes.plot([], [], color="black", linewidth=2, label="open transaction")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
