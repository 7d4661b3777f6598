"""The loop over batches, whatever the sink."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from streamgym.data.ekart import Batch, Ekart


class Sink(Protocol):
    """Where records go, as a context manager.

    Entering it raises StreamgymError when it holds records of another shop.
    """

    def batches(self) -> list[Batch]:
        """Return the batches that it takes, in order."""

    def done(self) -> dict[str, int]:
        """Return the names of batches that are there, with how many records each has."""

    def load(self, batch: Batch) -> int:
        """Load a batch and mark it, as one; return how many records it has."""

    def finish(self) -> None:
        """Do what is left to do once all batches are there."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@dataclass(frozen=True)
class Loaded:
    """What came of it: records that are there, those of this run, and its seconds."""

    records: int
    new: int
    seconds: float


def load(sink: Sink, progress: Callable[[int, int], None] = lambda _done, _total: None) -> Loaded:
    """Load what is not there yet. ``progress`` is told how many records of how many are there."""
    began = time.perf_counter()
    there, batches = sink.done(), sink.batches()
    kept = sum(there.values())
    left = [batch for batch in batches if batch.name not in there]
    new, to_come = 0, sum(map(expected, left))
    progress(kept, kept + to_come)
    for batch in left:
        new += sink.load(batch)
        to_come -= expected(batch)
        progress(kept + new, kept + new + to_come)
    sink.finish()
    return Loaded(kept + new, new, time.perf_counter() - began)


def expected(batch: Batch) -> int:
    """Return about how many records a batch has."""
    each = {"warehouses": 1.0, "sellers": 101.0, "orders": 1.4, "events": 3.0, "both": 4.4}
    return int((batch.high - batch.low) * each[batch.kind])


def differs(where: str, held: str, wanted: Ekart, remedy: str) -> str:
    """Return what to say to a user whose target holds another shop."""
    return f"{where} holds another shop, {held}, not {wanted.identity}: {remedy}"
