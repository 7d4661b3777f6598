"""One member of a consumer group, that writes down each partition it is given or must give up.

It is run as a script of its own (tour of chapter 15), and writes a line of JSON for each event to
the file ``events`` in its folder.
"""

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor

ASSIGNORS = {"eager": RangePartitionAssignor, "cooperative": CooperativeStickyAssignor}


class Notes(ConsumerRebalanceListener):  # type: ignore[misc]
    """Writes down what the member is told."""

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Note the partitions that are given."""
        _note("assigned", assigned)

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Note the partitions that must be given up."""
        _note("revoked", revoked)


def _note(what: str, partitions: Iterable[TopicPartition]) -> None:
    numbers = sorted(each.partition for each in partitions)
    line = json.dumps({"seconds": time.time(), "what": what, "partitions": numbers})
    with Path("events").open("a") as events:
        events.write(line + "\n")


def main() -> None:
    """Be a member for ever."""
    topic = os.environ["TOPIC"]
    consumer = KafkaConsumer(
        bootstrap_servers=os.environ["BROKERS"],
        group_id=os.environ["GROUP"],
        partition_assignment_strategy=[ASSIGNORS[os.environ["STRATEGY"]]],
        session_timeout_ms=int(os.environ["SESSION_MS"]),
        heartbeat_interval_ms=500,
        metadata_max_age_ms=1000,  # new partitions are noticed within a second
        auto_offset_reset="earliest",
    )
    consumer.subscribe([topic], listener=Notes())
    consumer.partitions_for_topic(topic)  # see streamgym.workers: it then joins once,
    while True:
        consumer.poll(timeout_ms=60_000)  # and no poll may end while it joins again


if __name__ == "__main__":
    main()
