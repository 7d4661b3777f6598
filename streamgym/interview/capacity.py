"""The arithmetic of a pipeline's size. Decimal units: 1 MB is 1,000,000 bytes."""

import math


def megabytes_per_second(events: float, size: float) -> float:
    """Return the rate in MB/s of so many events a second of ``size`` bytes each."""
    return events * size / 1e6


def partitions(rate: float, per_producer: float, per_consumer: float) -> int:
    """Return how many partitions carry ``rate``, all three in the same unit.

    The larger of what writing and what reading needs (Rao, "How to choose the number of topics and
    partitions in a Kafka cluster", 2015).
    """
    return math.ceil(max(rate / per_producer, rate / per_consumer))


def stored_terabytes(rate: float, days: float, replication: int, compression: float = 1) -> float:
    """Return the disk that a topic takes.

    Args:
        rate: MB/s before compression.
        days: of retention.
        replication: the number of replicas.
        compression: how many times smaller the records get.
    """
    return rate / compression * days * 86_400 * replication / 1e6


def broker_output(rate: float, replication: int, groups: int) -> float:
    """Return what the brokers send, in the unit of ``rate``: to followers, and to each group."""
    return rate * (replication - 1 + groups)


def window_state_megabytes(keys: float, size: float, windows: float) -> float:
    """Return the state of so many keys, of ``size`` bytes, in so many open windows each."""
    return keys * size * windows / 1e6


def catch_up_minutes(outage: float, rate: float, capacity: float) -> float:
    """Return how long a backlog takes after an outage of so many minutes.

    ``rate`` comes in meanwhile and ``capacity`` can be handled, in the same unit.
    """
    return outage * rate / (capacity - rate)


def little(rate: float, seconds: float) -> float:
    """Return how many events are under way (Little's law: rate times the time that each takes)."""
    return rate * seconds
