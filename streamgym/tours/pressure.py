"""A consumer whose sink is slow: where its records wait, with and without back-pressure."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from queue import Queue
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from kafka import KafkaConsumer, TopicPartition

MEMORY, TOPIC = "#d1433f", "#cccccc"
SECONDS_EACH = 0.0005
"""What the sink takes for a record."""


def run(
    servers: str, topic: str, hold_back: Callable[[KafkaConsumer, "Queue[Any]"], object]
) -> pd.DataFrame:
    """Read a topic's only partition into a queue, which a slow sink empties.

    Args:
        servers: the broker's bootstrap servers.
        topic: whose records are read from the first to the one that is the last by now.
        hold_back: is given the consumer and the queue after each poll.

    Returns:
        A row for each poll: *seconds*, and how many records wait in *memory* and in the *topic*.
    """
    waiting: Queue[Any] = Queue()
    sink = threading.Thread(target=_sink, args=(waiting,))
    partition = TopicPartition(topic, 0)
    looks = []
    with closing(KafkaConsumer(bootstrap_servers=servers, max_poll_records=100)) as consumer:
        consumer.assign([partition])
        consumer.seek_to_beginning()
        end = consumer.end_offsets([partition])[partition]
        sink.start()
        began = time.monotonic()
        while (left := end - consumer.position(partition)) or not waiting.empty():
            looks.append((time.monotonic() - began, waiting.qsize(), left))
            for records in consumer.poll(timeout_ms=10).values():
                for record in records:
                    waiting.put(record)
            hold_back(consumer, waiting)
    waiting.put(None)
    sink.join()
    return pd.DataFrame(looks, columns=["seconds", "memory", "topic"])


def _sink(waiting: "Queue[Any]") -> None:
    while waiting.get() is not None:
        time.sleep(SECONDS_EACH)


def draw(**runs: pd.DataFrame) -> None:
    """Draw where records wait over time, a picture for each run."""
    _figure, columns = plt.subplots(
        1, len(runs), figsize=(9, 2.6), sharey=True, squeeze=False, layout="constrained"
    )
    for axes, (name, looks) in zip(columns[0], runs.items(), strict=True):
        waiting = looks["memory"], looks["topic"]
        axes.stackplot(
            looks["seconds"], *waiting, labels=["memory", "topic"], colors=[MEMORY, TOPIC]
        )
        title = f"{name.replace('_', ' ')}: at most {looks['memory'].max():,} in memory"
        axes.set(title=title, xlabel="seconds")
    columns[0][0].set_ylabel("records that wait")
    columns[0][-1].legend(frameon=False)
    plt.show()
