"""A read model that follows a topic of payments, and who sees the own payment in it."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Self

import matplotlib.pyplot as plt
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from matplotlib.axes import Axes

from streamgym.errors import StreamgymError

FETCH_MS = 200
"""For so long a fetch waits for more records (``fetch.max.wait.ms``), and the view lags."""

PAUSE = 0.02
"""Seconds from customer to customer."""

SECONDS = 20.0
RIGHT, STALE, DUE = "#2e9e5b", "#d1433f", "#9a9a9a"


class View:
    """The sum of all payments in a topic of one partition, kept up to date by a thread.

    A context manager. Its consumer takes records in bundles, as read models do.

    Args:
        servers: the broker's bootstrap servers.
        topic: of payments, each ``{"cents": ...}``.
    """

    def __init__(self, servers: str, topic: str) -> None:
        self._at = TopicPartition(topic, 0)
        self._consumer = KafkaConsumer(
            bootstrap_servers=servers, fetch_min_bytes=2**20, fetch_max_wait_ms=FETCH_MS
        )
        self._consumer.assign([self._at])
        self._consumer.seek_to_beginning(self._at)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._changed = threading.Condition()
        self._ended = False
        self._next = 0
        self.cents = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._thread.join()
        self._consumer.close()

    def wait_for(self, offset: int) -> None:
        """Wait until the record at this offset is in the sum.

        Raises:
            StreamgymError: it takes too long.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._next > offset, SECONDS):
                raise StreamgymError(f"the view did not reach offset {offset}: is the broker up?")

    def _follow(self) -> None:
        while not self._ended:
            for records in self._consumer.poll(timeout_ms=FETCH_MS).values():
                with self._changed:
                    self.cents += sum(json.loads(record.value)["cents"] for record in records)
                    self._next = records[-1].offset + 1
                    self._changed.notify_all()


@dataclass(frozen=True)
class Answer:
    """What a payer was told: when (seconds), how long it took, the sum, and what is due."""

    seconds: float
    took: float
    told: int
    due: int

    @property
    def is_right(self) -> bool:
        """Whether the payer's own payment is in it."""
        return self.told >= self.due


def ask(
    servers: str, topic: str, view: View, look: Callable[[View, int], int], payers: int = 20
) -> list[Answer]:
    """Let payers pay, one after the other, and each look at the sum at once.

    Args:
        servers: the broker's bootstrap servers.
        topic: where payments go.
        view: what follows that topic.
        look: how to look: takes the view and the offset of the payer's own record.
        payers: how many.
    """
    answers, due = [], view.cents
    with closing(KafkaProducer(bootstrap_servers=servers)) as producer:
        began = time.monotonic()
        for _ in range(payers):
            sent = producer.send(topic, b'{"cents": 100}').get(timeout=SECONDS)
            due += 100
            asked = time.monotonic()
            told = look(view, sent.offset)
            now = time.monotonic()
            answers.append(Answer(now - began, now - asked, told, due))
            time.sleep(PAUSE)
    return answers


def draw(**ways: Sequence[Answer]) -> None:
    """Draw what payers were told, over what was due by then: above, and how long it took below."""
    _figure, rows = plt.subplots(
        2, len(ways), figsize=(9, 4), height_ratios=[2, 1], sharey="row", layout="constrained"
    )
    for (top, bottom), (name, answers) in zip(rows.T, ways.items(), strict=True):
        top.plot([a.seconds for a in answers], [a.due / 100 for a in answers], color=DUE)
        for right, colour in ((True, RIGHT), (False, STALE)):
            some = [a for a in answers if a.is_right is right]
            times = [a.seconds for a in some]
            top.plot(times, [a.told / 100 for a in some], "o", markersize=4, color=colour)
            bottom.plot(times, [a.took * 1000 for a in some], "|", markersize=9, color=colour)
        top.set_title(name.replace("_", " "))
        bottom.set_xlabel("seconds")
    rows[0, 0].set_ylabel("sum (euros)")
    rows[1, 0].set_ylabel("waited (ms)")
    rows[1, 0].margins(y=0.25)
    _legend(rows[0, -1])
    plt.show()


def _legend(axes: Axes) -> None:
    axes.plot([], [], color=DUE, label="paid by then")
    axes.plot([], [], "o", color=RIGHT, label="sees own payment")
    axes.plot([], [], "o", color=STALE, label="does not")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
