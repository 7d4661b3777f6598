"""What windows over events must contain: oracles in plain pandas, independent of any engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Where windows are counted from (Flink, Kafka Streams and Spark documentation)."""


def is_late(events: pd.DataFrame, lateness: timedelta, by: Sequence[str] = ()) -> pd.Series:
    """Return which events come behind the watermark, in arrival order.

    The watermark is the newest ``scheduled`` so far (of the same ``by``) minus ``lateness``; an
    event is late when its own time is smaller (Bytewax documentation, ``EventClock``).
    """
    return lag(events, by) > lateness


def lag(events: pd.DataFrame, by: Sequence[str] = ()) -> pd.Series:
    """Return how far each event lies behind the newest event time so far (of the same ``by``)."""
    times = events["scheduled"]
    newest = times.groupby([events[name] for name in by]).cummax() if by else times.cummax()
    return newest - times


def aggregate(events: pd.DataFrame, size: timedelta) -> pd.DataFrame:
    """Return ``airport``, ``start``, ``flights`` and ``mean_delay`` (minutes) per tumbling window.

    Windows are aligned to 1970-01-01 UTC and hold their start but not their end.
    """
    started = events.assign(start=events["scheduled"].dt.floor(size))
    groups = started.groupby(["airport", "start"], sort=True)["delay"]
    return groups.agg(flights="size", mean_delay="mean").reset_index()


@dataclass(frozen=True)
class Emitted:
    """The rows that a query in append mode gives, and how many windows it still holds."""

    windows: pd.DataFrame
    still_open: int
    dropped: int


def append_mode(events: pd.DataFrame, size: timedelta, lateness: timedelta, batch: int) -> Emitted:
    """Return what Spark's append mode emits for micro-batches of ``batch`` records.

    The watermark moves between micro-batches, to the newest event time of all earlier ones minus
    ``lateness``. A window is emitted when the watermark reaches its end; a record is dropped when
    its window was emitted before, that is by the watermark of the micro-batch before its own
    (Spark documentation, "Handling Late Data and Watermarking", and SPARK-40925).
    """
    ends = events["scheduled"].dt.floor(size) + size
    number = pd.Series(range(len(events)), index=events.index) // batch
    newest = events["scheduled"].groupby(number).max().cummax()
    watermark = number.map(newest.shift(2) - lateness)
    kept = events[~(ends <= watermark)]
    emitted = (kept["scheduled"].dt.floor(size) + size) <= newest.iloc[-1] - lateness
    still_open = kept[~emitted].assign(end=ends[kept.index])[["airport", "end"]].drop_duplicates()
    windows = aggregate(kept[emitted], size)
    return Emitted(windows, len(still_open), len(events) - len(kept))
