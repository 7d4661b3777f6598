"""The same question answered by a batch job and by a stream: how fresh, and at what cost.

The question is what the shop has earned so far. Orders come in at a steady pace; one program adds
each to its total as it arrives, another reads everything again at every interval.
"""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import matplotlib.pyplot as plt
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from streamgym.checks import topics
from streamgym.data import shop

STREAM, BATCH = "#3b7dd8", "#d1433f"


@dataclass
class Answers:
    """The answers that one program gave.

    Attributes:
        times: seconds since the first order at which an answer was given.
        ages: how old the newest order in each answer was by then, in seconds.
        totals: the answers, in cents.
        read: records read for all answers together.
    """

    times: list[float] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    totals: list[int] = field(default_factory=list)
    read: int = 0


@dataclass(frozen=True)
class Comparison:
    """What came of both programs, over so many seconds, and the right answer at the end."""

    stream: Answers
    batch: Answers
    seconds: float
    total: int

    def draw(self) -> None:
        """Draw how old the answer on the screen is over time, and what was read for it."""
        _figure, (age, cost) = plt.subplots(
            1, 2, figsize=(9, 3), width_ratios=[3, 1], layout="constrained"
        )
        for name, answers, colour in self._programs():
            times, ages = _sawtooth(answers, self.seconds)
            age.plot(times, ages, color=colour, label=name)
            cost.bar(name, answers.read, color=colour)
        age.set(xlabel="seconds", ylabel="age of the answer (s)", title="freshness")
        cost.set(title="records read")
        age.legend()
        plt.show()

    def _programs(self) -> Iterator[tuple[str, Answers, str]]:
        yield "stream", self.stream, STREAM
        yield "batch", self.batch, BATCH


def compare(servers: str, *, per_second: int = 200, seconds: int = 8, every: int = 2) -> Comparison:
    """Let orders come in, answer by stream and by batch meanwhile, and return both.

    Args:
        servers: the broker's bootstrap servers.
        per_second: orders a second.
        seconds: how long they come in.
        every: seconds between batch runs.
    """
    topic = topics.create(servers)
    orders = shop.orders(Random(7), per_second * seconds)
    stream, batch = Answers(), Answers()
    began = time.monotonic()
    done = len(orders)
    threads = [
        threading.Thread(target=_place, args=(servers, topic, orders, per_second, began)),
        threading.Thread(target=_by_stream, args=(servers, topic, done, began, stream)),
        threading.Thread(target=_by_batch, args=(servers, topic, done, began, every, batch)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    topics.delete(servers, [topic])
    total = sum(order["amount"] for order in orders)
    return Comparison(stream, batch, time.monotonic() - began, total)


def _place(servers: str, topic: str, orders: list[Any], per_second: int, began: float) -> None:
    producer = KafkaProducer(bootstrap_servers=servers, linger_ms=5)
    for number, order in enumerate(orders):
        time.sleep(max(0.0, began + number / per_second - time.monotonic()))
        placed = {"amount": order["amount"], "at": time.monotonic() - began}
        producer.send(topic, json.dumps(placed).encode())
    producer.close()


def _by_stream(servers: str, topic: str, done: int, began: float, answers: Answers) -> None:
    consumer, total = KafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest"), 0
    consumer.assign([TopicPartition(topic, 0)])
    while answers.read < done:
        for records in consumer.poll(timeout_ms=200).values():
            placed = [json.loads(record.value) for record in records]
            answers.read += len(placed)
            total += sum(order["amount"] for order in placed)
            _note(answers, total, placed[-1]["at"], began)
    consumer.close()


def _by_batch(
    servers: str, topic: str, done: int, began: float, every: int, answers: Answers
) -> None:
    seen = run = 0
    while seen < done:
        run += 1
        time.sleep(max(0.0, began + run * every - time.monotonic()))
        placed = topics.read(servers, topic)
        seen = len(placed)
        answers.read += seen
        if placed:
            _note(answers, sum(order["amount"] for order in placed), placed[-1]["at"], began)


def _note(answers: Answers, total: float, newest: float, began: float) -> None:
    now = time.monotonic() - began
    answers.times.append(now)
    answers.ages.append(now - newest)
    answers.totals.append(int(total))


def _sawtooth(answers: Answers, seconds: float) -> tuple[list[float], list[float]]:
    """Return the age of the answer on the screen: it grows until the next answer comes."""
    times, ages = [], []
    ends = [*answers.times[1:], seconds]
    for begin, age, end in zip(answers.times, answers.ages, ends, strict=True):
        times += [begin, end]
        ages += [age, age + end - begin]
    return times, ages
