"""A case: one seed, and the fresh data and topics that an answer is tried on.

Every notebook imports this; kafka-python and psycopg, which take longer to import than all the
rest, are imported when a case first needs them.
"""

import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

Row = Mapping[str, Any]

PROXIES = 2
"""Fault proxies that a Spark can reach at a time."""


class World(Protocol):
    """The systems that a case runs on; each is started when it is first asked for."""

    def kafka(self) -> str:
        """Return the bootstrap servers of the broker."""

    def spark(self) -> Any:
        """Return a Spark Connect session of the checking side."""

    def postgres(self) -> str:
        """Return the URL of a database whose role may create others."""

    def proxy_ports(self) -> Sequence[int]:
        """Return the ports at which Spark can reach fault proxies; 0 where any will do."""


@dataclass
class Case:
    """One trial of an exercise; the same seed gives the same data.

    Leaving it deletes what it made. ``progress`` is told how far a long trial is.
    """

    seed: int
    world: World
    created: list[str] = field(default_factory=list)
    databases: list[str] = field(default_factory=list)
    progress: Callable[[str], None] = lambda _: None

    @cached_property
    def rng(self) -> random.Random:
        """The source of everything random in this case."""
        return random.Random(self.seed)

    def topic(self, records: Iterable[Row] = (), *, key: str = "", partitions: int = 1) -> str:
        """Create a topic, produce these records to it as JSON in order, and return its name.

        Args:
            records: the values; ``key`` names the field that becomes the record's key and
                chooses the partition (Kafka's murmur2 partitioner).
            key: empty for records without a key, all in partition 0.
            partitions: number of partitions.
        """
        from streamgym.checks import topics

        name = topics.create(self.world.kafka(), partitions)
        self.created.append(name)
        topics.produce(self.world.kafka(), name, records, key)
        return name

    def read(self, topic: str) -> list[dict[str, Any]]:
        """Return the JSON values of all committed records of a topic, partition by partition."""
        from streamgym.checks import topics

        return topics.read(self.world.kafka(), topic)

    def database(self, schema: str = "") -> str:
        """Create a database, run these SQL statements in it, and return its URL."""
        from streamgym.checks import databases

        url = databases.create(self.world.postgres(), schema)
        self.databases.append(url)
        return url

    def release(self, groups: Collection[str]) -> None:
        """Remove the members of consumer groups: the dead would keep others waiting."""
        from streamgym.checks import topics

        if groups:
            topics.remove_members(self.world.kafka(), groups)

    def close(self) -> None:
        """Delete this case's topics and databases."""
        if self.created:
            from streamgym.checks import topics

            topics.delete(self.world.kafka(), self.created)
            self.created.clear()
        if self.databases:
            from streamgym.checks import databases

            for url in self.databases:
                databases.drop(self.world.postgres(), url)
            self.databases.clear()

    def __enter__(self) -> "Case":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
