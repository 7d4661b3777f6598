"""A consumer group whose members are processes: they join and die, and who owns what is seen."""

import json
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from kafka import KafkaAdminClient
from kafka.admin import NewPartitions
from matplotlib.axes import Axes

from streamgym.checks import topics
from streamgym.faults.process import Process, Workspace
from streamgym.lab.scripts import workspace
from streamgym.tours import member
from streamgym.tours.waiting import wait_until

COLOURS = ("#3b7dd8", "#e08a00", "#2e9e5b", "#8e5bbf", "#9a9a9a")
SESSION_MS = 3000
"""After so long without a heartbeat a member is taken for dead (``session.timeout.ms``)."""


@dataclass(frozen=True)
class Change:
    """A member was given partitions, had to give them up, or was killed, at a time since 1970."""

    seconds: float
    member: str
    what: str
    partitions: frozenset[int]

    def after(self, owned: frozenset[int]) -> frozenset[int]:
        """Return what its member owns after it."""
        return owned | self.partitions if self.what == "assigned" else owned - self.partitions


@dataclass(frozen=True)
class Held:
    """A member had a partition for a while; times are seconds since 1970."""

    partition: int
    member: str
    begin: float
    end: float


@dataclass
class Group:
    """A consumer group on a topic of its own, until :meth:`close`.

    Attributes:
        servers: the broker's bootstrap servers.
        partitions: how many the topic has.
        strategy: how members are given partitions: *eager* or *cooperative*.
        topic: the topic's name, and the group's.
    """

    servers: str
    partitions: int = 3
    strategy: str = "eager"
    topic: str = field(init=False)
    _members: dict[str, tuple[Workspace, Process]] = field(default_factory=dict, repr=False)
    _killed: list[Change] = field(default_factory=list, repr=False)
    _running: ExitStack = field(default_factory=ExitStack, repr=False)

    def __post_init__(self) -> None:
        self.topic = topics.create(self.servers, self.partitions)

    @property
    def members(self) -> list[str]:
        """Who has joined, in this order."""
        return list(self._members)

    def close(self) -> None:
        """End all members, and delete the topic."""
        self._running.close()
        topics.delete(self.servers, [self.topic])

    def join(self, name: str) -> frozenset[int]:
        """Let a member join, wait until all have their partitions, and return its own.

        Raises:
            StreamgymError: it takes too long.
        """
        place = self._running.enter_context(workspace(Path(member.__file__).read_text()))
        env = {"BROKERS": self.servers, "TOPIC": self.topic, "GROUP": self.topic}
        env |= {"STRATEGY": self.strategy, "SESSION_MS": str(SESSION_MS)}
        self._members[name] = place, place.start(env)
        self.settle()
        return self.owners()[name]

    def kill(self, name: str) -> None:
        """Kill a member as SIGKILL does, and wait until the others have its partitions.

        Raises:
            StreamgymError: it takes too long.
        """
        had = self.owners()[name]
        self._members[name][1].kill()
        self._killed.append(Change(time.time(), name, "killed", had))
        self.settle()

    def grow(self, partitions: int) -> None:
        """Add partitions, and wait until members own them.

        Raises:
            StreamgymError: it takes too long.
        """
        admin = KafkaAdminClient(bootstrap_servers=self.servers)
        admin.create_partitions({self.topic: NewPartitions(partitions)})
        admin.close()
        self.partitions = partitions
        self.settle()

    def settle(self) -> None:
        """Wait until each partition has one owner, and the living own about as many each.

        Raises:
            StreamgymError: it takes too long.
        """
        living = len(self._members) - len(self._killed)

        def is_settled() -> bool:
            owners = self.owners()
            return len(owners) == living and is_balanced(owners.values(), self.partitions)

        wait_until(is_settled, "each partition has an owner")

    def owners(self) -> dict[str, frozenset[int]]:
        """Return what each living member owns; who was given nothing yet is not in it."""
        owned: dict[str, frozenset[int]] = {}
        for change in self.changes():
            if change.what == "assigned" or change.member in owned:
                owned[change.member] = change.after(owned.get(change.member, frozenset()))
        dead = {change.member for change in self._killed}
        return {name: partitions for name, partitions in owned.items() if name not in dead}

    def changes(self) -> list[Change]:
        """Return all that happened, in order."""
        told = [
            Change(line["seconds"], name, line["what"], frozenset(line["partitions"]))
            for name, (place, _) in self._members.items()
            for line in _lines(place.folder / "events")
        ]
        return sorted([*told, *self._killed], key=lambda change: change.seconds)

    def given_up(self) -> int:
        """Return how often a member had to give up a partition, over all rebalances."""
        return sum(len(c.partitions) for c in self.changes() if c.what == "revoked")


def _lines(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a file of JSON; none when there is no file yet."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def is_balanced(owned: Iterable[frozenset[int]], partitions: int) -> bool:
    """Return whether each partition has one owner, and nobody has two more than another."""
    parts = list(owned)
    sizes = [len(part) for part in parts]
    each_once = sorted(p for part in parts for p in part) == list(range(partitions))
    return each_once and max(sizes) - min(sizes) <= 1


def held(changes: list[Change], end: float) -> list[Held]:
    """Return who had which partition from when to when; what is held still, until ``end``."""
    since: dict[tuple[str, int], float] = {}
    found = []
    for change in changes:
        for partition in change.partitions:
            key = change.member, partition
            if change.what == "assigned":
                since.setdefault(key, change.seconds)
            elif key in since:
                found.append(Held(partition, change.member, since.pop(key), change.seconds))
    return found + [Held(p, member, begin, end) for (member, p), begin in since.items()]


def orphaned(changes: list[Change]) -> float:
    """Return for how many seconds the partitions of a member that was killed had no owner.

    Raises:
        StopIteration: nobody was killed, or nobody took over.
    """
    kill = next(change for change in changes if change.what == "killed")
    taken = (c for c in changes if c.what == "assigned" and c.seconds > kill.seconds)
    return next(c.seconds for c in taken if c.partitions & kill.partitions) - kill.seconds


def draw(**groups: Group) -> None:
    """Draw who owns which partition over time, one picture a group; where it is white, nobody."""
    _figure, rows = plt.subplots(
        len(groups), 1, figsize=(9, 2.2 * len(groups)), squeeze=False, layout="constrained"
    )
    for axes, (name, group) in zip(rows[:, 0], groups.items(), strict=True):
        _bars(axes, group)
        axes.set(title=name.replace("_", " "), ylabel="partition", xlabel="seconds")
    plt.show()


def _bars(axes: Axes, group: Group) -> None:
    changes = group.changes()
    began, end = changes[0].seconds, changes[-1].seconds + 1
    colours = dict(zip(group.members, COLOURS, strict=False))
    for one in held(changes, end):
        span = one.begin - began, one.end - one.begin
        axes.broken_barh([span], (one.partition - 0.4, 0.8), color=colours[one.member])
    for name, colour in colours.items():
        axes.broken_barh([], (0, 0), color=colour, label=name)
    for change in changes:
        if change.what == "killed":
            axes.axvline(change.seconds - began, color="#d1433f", linestyle=":", label="kill -9")
    axes.set_yticks(range(group.partitions))
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
