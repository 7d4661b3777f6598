"""Watching a consumer group from outside: lag and throughput from the broker, quality by scraping.

Lag is the end of a partition less the group's committed offset. The consumers' own numbers are
read as Prometheus does: by HTTP, in its text format.
"""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Self

import httpx
import ipywidgets
import matplotlib.pyplot as plt
from kafka import KafkaConsumer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from streamgym.checks import topics
from streamgym.tours.waiting import wait_until

THRESHOLD = 10_000
"""Above this lag the guide wants an alert (chapter 12)."""

ENOUGH = 95.0
"""A smaller share of good records, in percent, is shown in red."""

IN, OUT, BAD = "#9a9a9a", "#3b7dd8", "#d1433f"


@dataclass(frozen=True)
class Sample:
    """What was seen at one moment.

    Attributes:
        seconds: since the watch began.
        lag: records that wait, for each partition.
        written: records in the topic.
        read: records that the group has committed.
        valid: records that its consumers say were good.
        invalid: records that they say were not.
        up: how many of its consumers answer.
    """

    seconds: float
    lag: tuple[int, ...]
    written: int
    read: int
    valid: int
    invalid: int
    up: int


def scrape(url: str) -> dict[str, float]:
    """Return what a Prometheus endpoint exports, by name and labels such as ``orders{valid}``.

    Raises:
        httpx.HTTPError: nobody answers there.
    """
    text = httpx.get(url, timeout=2).raise_for_status().text
    return {
        sample.name + (f"{{{','.join(sample.labels.values())}}}" if sample.labels else ""): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@dataclass
class Watch:
    """Takes samples in a thread of its own, from :meth:`start` to :meth:`stop`.

    Attributes:
        servers: the broker's bootstrap servers.
        topic: what is read.
        group: who reads it.
        targets: the metrics endpoints of the group's consumers; add to it at any time.
        every: seconds between samples.
    """

    servers: str
    topic: str
    group: str
    targets: list[str] = field(default_factory=list)
    every: float = 0.2
    samples: list[Sample] = field(default_factory=list, repr=False)
    widget: ipywidgets.HTML = field(default_factory=ipywidgets.HTML, repr=False)
    _ended: threading.Event = field(default_factory=threading.Event, repr=False)
    _counts: dict[str, tuple[int, int]] = field(default_factory=dict, repr=False)

    def start(self) -> Self:
        """Begin to take samples."""
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Take no more samples."""
        self._ended.set()
        self._thread.join()

    def wait(self, holds: Callable[[Sample], bool], what: str) -> Sample:
        """Return the first sample from now on for which something holds.

        Raises:
            StreamgymError: none comes in time.
        """
        first = len(self.samples) + 1  # the next one may have been begun already
        wait_until(lambda: any(map(holds, self.samples[first:])), what)
        return next(filter(holds, self.samples[first:]))

    def caught_up(self, written: int) -> Sample:
        """Return the first sample in which so many records are written, and none waits."""
        return self.wait(
            lambda now: now.written == written and not sum(now.lag), f"{written} records are read"
        )

    def _take(self) -> None:
        began = time.monotonic()
        with closing(KafkaConsumer(bootstrap_servers=self.servers)) as consumer:
            known = sorted(consumer.partitions_for_topic(self.topic))
            partitions = [TopicPartition(self.topic, number) for number in known]
            while not self._ended.wait(self.every):
                ends = consumer.end_offsets(partitions)
                sample = self._sample(time.monotonic() - began, [ends[at] for at in partitions])
                self.samples.append(sample)
                self.widget.value = page(self.samples)

    def _sample(self, seconds: float, ends: list[int]) -> Sample:
        committed = topics.committed(self.servers, self.group)
        read = [committed.get((self.topic, number), 0) for number in range(len(ends))]
        up = sum(self._scraped(url) for url in list(self.targets))
        valid, invalid = (sum(counts[n] for counts in self._counts.values()) for n in (0, 1))
        lag = tuple(max(0, end - done) for end, done in zip(ends, read, strict=True))
        return Sample(seconds, lag, sum(ends), sum(read), valid, invalid, up)

    def _scraped(self, url: str) -> bool:
        try:
            found = scrape(url)
        except httpx.HTTPError:
            return False
        valid, invalid = (int(found.get(f"orders_total{{{r}}}", 0)) for r in ("valid", "invalid"))
        self._counts[url] = valid, invalid
        return True


def page(samples: list[Sample]) -> str:
    """Return the dashboard as HTML: a tile for each number, with its curve."""
    lags = [sum(sample.lag) for sample in samples]
    alarm = BAD if lags[-1] > THRESHOLD else OUT
    rates = rate(samples, lambda sample: sample.read)
    shares = quality(samples)
    tiles = [
        _tile("lag", f"{lags[-1]:,}", lags, alarm),
        _tile("read a second", f"{rates[-1]:,.0f}", rates, OUT),
        _tile("quality", f"{shares[-1]:.0f} %", shares, OUT if shares[-1] > ENOUGH else BAD),
        _tile("consumers up", str(samples[-1].up), [sample.up for sample in samples], OUT),
    ]
    return f'<div style="display:flex;gap:1em">{"".join(tiles)}</div>'


def _tile(title: str, value: str, series: list[Any], colour: str) -> str:
    recent = series[-100:]
    top, wide = max(*recent, 1), max(1, len(recent) - 1)
    points = " ".join(f"{150 * n / wide:.1f},{38 - 36 * v / top:.1f}" for n, v in enumerate(recent))
    curve = f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
    return (
        f'<div style="width:150px"><div>{title}</div>'
        f'<div style="font-size:1.6em;color:{colour}">{value}</div>'
        f'<svg width="150" height="40">{curve}</svg></div>'
    )


def rate(samples: list[Sample], count: Callable[[Sample], int]) -> list[float]:
    """Return how fast a count has grown from each sample to the next, a second; first 0."""
    pairs = pairwise(samples)
    return [0.0, *((count(b) - count(a)) / (b.seconds - a.seconds) for a, b in pairs)]


def quality(samples: list[Sample]) -> list[float]:
    """Return for each sample the share of good records, in percent, since the one before it.

    While nothing is read the share stays as it was; it begins with 100.
    """
    shares = [100.0]
    for a, b in pairwise(samples):
        good, bad = b.valid - a.valid, b.invalid - a.invalid
        shares.append(100 * good / (good + bad) if good + bad else shares[-1])
    return shares


def draw(samples: list[Sample]) -> None:
    """Draw lag, throughput and quality over time."""
    times = [sample.seconds for sample in samples]
    _figure, (lag, flow, good) = plt.subplots(
        3, 1, figsize=(9, 5), sharex=True, layout="constrained"
    )
    lag.plot(times, [sum(sample.lag) for sample in samples], color=OUT, label="all partitions")
    lag.plot(times, [max(sample.lag) for sample in samples], color=IN, label="the worst one")
    lag.axhline(THRESHOLD, color=BAD, linestyle=":", label="alert")
    flow.plot(times, rate(samples, lambda sample: sample.written), color=IN, label="written")
    flow.plot(times, rate(samples, lambda sample: sample.read), color=OUT, label="read")
    good.plot(times, quality(samples), color=OUT)
    lag.set(ylabel="lag (records)")
    flow.set(ylabel="records a second")
    good.set(ylabel="good records (%)", xlabel="seconds", ylim=(-5, 105))
    lag.legend()
    flow.legend()
    plt.show()
