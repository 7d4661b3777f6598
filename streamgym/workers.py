"""What a worker, a script of its own, may import to know when it is done.

A service runs for ever. A worker of a lab ends when it has read all that is there, so that it can
be judged.
"""

from kafka import KafkaConsumer


def at_end(consumer: KafkaConsumer) -> bool:
    """Return whether a consumer has read all partitions that it was assigned to their ends.

    Ask it before each poll. The end is that of the consumer's isolation level: for
    ``read_committed`` it is the last stable offset.
    """
    _learn_partitions(consumer)
    partitions = consumer.assignment()
    ends = consumer.end_offsets(partitions)
    return bool(ends) and all(consumer.position(at) >= end for at, end in ends.items())


def _learn_partitions(consumer: KafkaConsumer) -> None:
    """Make sure that the consumer knows its topics' partitions before it joins its group.

    Without them kafka-python 3.0.12 joins twice, and loses its assignment for good when a poll
    times out during the second time (``BaseCoordinator.join_group_async`` asks ``need_rejoin``,
    which the leader's new assignment has settled, and leaves without taking it over).
    """
    for topic in consumer.subscription() or ():
        consumer.partitions_for_topic(topic)
