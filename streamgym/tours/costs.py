"""What data cost in bytes, files and seconds (chapter 16), on a broker that keeps house at once."""

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import matplotlib.pyplot as plt
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import Producer
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from streamgym.checks import topics
from streamgym.errors import StreamgymError
from streamgym.faults.process import finish
from streamgym.lab.scripts import workspace
from streamgym.stack.kafka import Kafka
from streamgym.stack.prepare import prepare
from streamgym.tours import tuning
from streamgym.tours.orders import Event
from streamgym.tours.waiting import wait_until

MEGABYTE = 1_000_000
SEGMENT = 1_048_576
"""Bytes of a segment; Kafka 4 takes no smaller ones (``segment.bytes``)."""

COLOURS = ("#9a9a9a", "#d1433f", "#3b7dd8", "#e08a00")
SECONDS_FOR_A_JOB = 60.0


class Housekeeper(Kafka):
    """A broker that deletes and compacts ten times a second, not every five minutes."""

    settings: ClassVar[Mapping[str, object]] = {
        "log.initial.task.delay.ms": 100,
        "log.retention.check.interval.ms": 100,
        "log.cleaner.backoff.ms": 100,
        "log.segment.delete.delay.ms": 100,
    }


def broker() -> Housekeeper:
    """Start such a broker; it ends with this process."""
    prepare()
    return Housekeeper().start()


@dataclass(frozen=True)
class Policy:
    """How a topic is kept: its settings, and which field of an event is the key."""

    key: str
    settings: Mapping[str, object]


def kept(
    broker: Kafka, events: Sequence[Event], policies: Mapping[str, Policy], steps: int = 10
) -> pd.DataFrame:
    """Send events to a topic for each policy, and return the bytes that each had after each step.

    The last row is of when the broker has done what there is to do.

    Raises:
        StreamgymError: that takes too long.
    """
    names = {name: _create(broker, policy.settings) for name, policy in policies.items()}
    sizes = []
    for step in range(steps):
        part = events[step * len(events) // steps : (step + 1) * len(events) // steps]
        for name, policy in policies.items():
            produce(broker.address, names[name], part, policy.key)
        sizes.append(_sizes(broker, names))
    for name, policy in policies.items():
        _wait_for(broker, names[name], policy)
    sizes.append(_sizes(broker, names))
    topics.delete(broker.address, list(names.values()))
    return pd.DataFrame(sizes)


def _create(broker: Kafka, settings: Mapping[str, object]) -> str:
    common = {"segment.bytes": SEGMENT, "min.cleanable.dirty.ratio": 0}
    texts = {name: str(value) for name, value in {**common, **settings}.items()}
    topic = f"kept-{uuid.uuid4().hex[:8]}"
    with closing(KafkaAdminClient(bootstrap_servers=broker.address)) as admin:
        admin.create_topics([NewTopic(topic, 1, 1, topic_configs=texts)])
    return topic


def _sizes(broker: Kafka, names: Mapping[str, str]) -> dict[str, int]:
    return {name: tuning.stored(broker.address, topic) for name, topic in names.items()}


def _wait_for(broker: Kafka, topic: str, policy: Policy) -> None:
    """Wait until all has been deleted or compacted that can be."""
    if most := policy.settings.get("retention.bytes"):
        limit = int(str(most)) + SEGMENT
        wait_until(lambda: tuning.stored(broker.address, topic) < limit, "segments are deleted")
    if policy.settings.get("cleanup.policy") == "compact":
        wait_until(lambda: _compacted(broker, topic) >= _active(broker, topic), "it is compacted")


def _compacted(broker: Kafka, topic: str) -> int:
    """Return up to which offset the log cleaner has come, as it writes down in a file."""
    path = broker.home / "log" / "cleaner-offset-checkpoint"
    lines = path.read_text().splitlines() if path.exists() else []
    found = [line.split() for line in lines if line.startswith(f"{topic} ")]
    return int(found[0][2]) if found else -1


def _active(broker: Kafka, topic: str) -> int:
    """Return the first offset of the segment that is written to, which is never compacted."""
    return max(int(path.stem) for path in (broker.home / "log" / f"{topic}-0").glob("*.log"))


def produce(
    servers: str, topic: str, events: Sequence[Event], key: str, **settings: object
) -> None:
    """Send events as JSON.

    Args:
        servers: the broker's bootstrap servers.
        topic: where they go.
        events: what is sent.
        key: the field of each that is its key.
        settings: of the producer, with ``_`` for ``.``.
    """
    dotted = {name.replace("_", "."): value for name, value in settings.items()}
    room = {"queue.buffering.max.messages": 1_000_000}
    producer = Producer({"bootstrap.servers": servers} | room | dotted)
    for event in events:
        producer.produce(topic, json.dumps(event).encode(), key=str(event[key]))
    producer.flush()


def draw_kept(sizes: pd.DataFrame) -> None:
    """Draw how the topics grow over the month."""
    _figure, axes = plt.subplots(figsize=(9, 3.2), layout="constrained")
    days = [30 * (step + 1) / (len(sizes) - 1) for step in range(len(sizes) - 1)] + [31]
    for number, (name, column) in enumerate(sizes.items()):
        width = 1.5 if number else 6  # the first may lie below another
        axes.plot(days, column / MEGABYTE, color=COLOURS[number], linewidth=width, label=name)
    axes.set(xlabel="day of the month; at last, when all is tidied up", ylabel="MB in the log")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    plt.show()


@dataclass(frozen=True)
class Spread:
    """The same events over so many partitions.

    Attributes:
        seconds: that it took to create them.
        stored: bytes of records in the log.
        on_disk: bytes that all their files take on the disk.
        files: how many files there are.
        opened: how many of these the broker holds open.
    """

    seconds: float
    stored: int
    on_disk: int
    files: int
    opened: int


def spread(broker: Kafka, events: Sequence[Event], partitions: int) -> Spread:
    """Send events, keyed by order and compressed, over so many partitions, and see what it takes.

    Raises:
        StreamgymError: the partitions are not there in time.
    """
    began = time.monotonic()
    topic = topics.create(broker.address, partitions)
    log = broker.home / "log"
    wait_until(lambda: len(list(log.glob(f"{topic}-*"))) == partitions, "there are partitions")
    seconds = time.monotonic() - began
    produce(broker.address, topic, events, "order_id", linger_ms=1000, compression_type="zstd")
    found = [path.stat() for path in log.glob(f"{topic}-*/*")]
    process = psutil.Process(broker.kept.pid)
    measured = Spread(
        seconds=seconds,
        stored=tuning.stored(broker.address, topic),
        on_disk=sum(each.st_blocks * 512 for each in found),
        files=len(found),
        opened=sum(topic in file.path for file in process.open_files()),
    )
    topics.delete(broker.address, [topic])
    return measured


def draw_spread(runs: Mapping[int, Spread]) -> None:
    """Draw what partitions take: bytes to the left, files to the right."""
    _figure, (sizes, files) = plt.subplots(1, 2, figsize=(9, 2.8), layout="constrained")
    for label, axes, heights in (
        ("records", sizes, [run.stored / 1000 for run in runs.values()]),
        ("on the disk", sizes, [run.on_disk / 1000 for run in runs.values()]),
        ("files", files, [run.files for run in runs.values()]),
        ("held open", files, [run.opened for run in runs.values()]),
    ):
        axes.plot([str(number) for number in runs], heights, "o-", label=label)
    for axes, ylabel in ((sizes, "kilobytes"), (files, "files")):
        axes.set(xlabel="partitions", ylabel=ylabel, ylim=(0, None))
        axes.legend(frameon=False)
    plt.show()


def archive(events: Sequence[Event], folder: Path) -> dict[str, Path]:
    """Write events as lines of JSON and as Parquet, plain and compressed; return the files."""
    lines = "".join(f"{json.dumps(event)}\n" for event in events).encode()
    frame = pd.DataFrame(events).convert_dtypes()
    frame["event_time"] = pd.to_datetime(frame["event_time"])
    table = pa.Table.from_pandas(frame)
    files = {
        "JSON": folder / "events.json",
        "JSON, zstd": folder / "events.json.zst",
        "Parquet": folder / "plain.parquet",
        "Parquet, zstd": folder / "events.parquet",
    }
    for name in ("JSON", "JSON, zstd"):
        with pa.output_stream(str(files[name]), compression="detect") as file:
            file.write(lines)
    pq.write_table(table, files["Parquet"], compression="none", use_dictionary=False)
    pq.write_table(table, files["Parquet, zstd"], compression="zstd")
    return files


def draw_archive(stored: Mapping[str, int], read: Mapping[str, int]) -> None:
    """Draw what each file takes, and what one question reads of it."""
    _figure, axes = plt.subplots(figsize=(9, 2.8), layout="constrained")
    for shift, sizes, colour, label in (
        (-0.2, stored, "#9ec5f4", "stored"),
        (0.2, read, "#3b7dd8", "read"),
    ):
        kilobytes = [size / 1000 for size in sizes.values()]
        rows = [row + shift for row in range(len(sizes))]
        bars = axes.barh(rows, kilobytes, height=0.38, color=colour, label=label)
        axes.bar_label(bars, [f"{size:,.0f}" for size in kilobytes], padding=3, fontsize=8)
    axes.set_yticks(range(len(stored)), list(stored))
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set(xlabel="kilobytes")
    axes.legend(frameon=False, loc="lower right")
    plt.show()


def timed(script: str, **env: str) -> float:
    """Run a job as a process of its own, and return how many seconds that took.

    Raises:
        Ungradable: it does not end.
        StreamgymError: it fails.
    """
    with workspace(script) as place:
        began = time.monotonic()
        run = finish(place.start(env), SECONDS_FOR_A_JOB)
        if run.returncode:
            raise StreamgymError(f"the job failed, mend its cell: {run.errors}")
        return time.monotonic() - began
