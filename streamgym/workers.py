"""What a worker, a script of its own, may import to know when it is done.

A service runs for ever. A worker of a lab ends when it has read all that is there, so that it can
be judged.
"""

from kafka import KafkaConsumer


def at_end(consumer: KafkaConsumer) -> bool:
    """Return whether a consumer has read all partitions that it was assigned to their ends.

    The end is that of its isolation level: for ``read_committed`` the last stable offset.
    """
    partitions = consumer.assignment()
    ends = consumer.end_offsets(partitions)
    return bool(ends) and all(consumer.position(at) >= end for at, end in ends.items())
