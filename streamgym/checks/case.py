"""A case: one seed, and the fresh data and topics that an answer is tried on."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from streamgym.checks import topics

Row = Mapping[str, Any]


class World(Protocol):
    """The systems that a case runs on; each is started when it is first asked for."""

    def kafka(self) -> str:
        """Return the bootstrap servers of the broker."""

    def spark(self) -> Any:
        """Return a Spark Connect session of the checking side."""


@dataclass
class Case:
    """One trial of an exercise; the same seed gives the same data. Leaving it deletes topics."""

    seed: int
    world: World
    created: list[str] = field(default_factory=list)

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
        name = topics.create(self.world.kafka(), partitions)
        self.created.append(name)
        topics.produce(self.world.kafka(), name, records, key)
        return name

    def read(self, topic: str) -> list[dict[str, Any]]:
        """Return the JSON values of all committed records of a topic, partition by partition."""
        return topics.read(self.world.kafka(), topic)

    def close(self) -> None:
        """Delete this case's topics."""
        if self.created:
            topics.delete(self.world.kafka(), self.created)
            self.created.clear()

    def __enter__(self) -> "Case":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
