"""ekart as Parquet: ``folder/table/part-NNNNN.parquet``; a file's name says that it is whole."""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from streamgym.data import ekart_events
from streamgym.data.columns import picked, times
from streamgym.data.ekart import Batch, Ekart
from streamgym.data.seeding.load import differs
from streamgym.errors import StreamgymError

IDENTITY = "ekart.json"


class ParquetSink:
    """A folder that takes the shop: ``with ParquetSink(folder, shop) as sink: load(sink)``."""

    def __init__(self, folder: Path, shop: Ekart) -> None:
        self._folder, self._shop = folder, shop
        self._lock = FileLock(folder / ".lock", timeout=0)

    def batches(self) -> list[Batch]:
        """Return the batches of all tables; those of orders bring their events along."""
        return self._shop.batches()

    def done(self) -> dict[str, int]:
        """Return the batches of which every file is there."""
        found = {}
        for batch in self.batches():
            files = [self._path(table, batch) for table in self._names(batch)]
            if all(file.exists() for file in files):
                found[batch.name] = sum(pq.read_metadata(file).num_rows for file in files)
        return found

    def load(self, batch: Batch) -> int:
        """Write a batch's files; each is renamed into its place when it is whole."""
        tables = self._shop.tables(batch)
        if batch.kind == "orders":
            tables["events"] = event_rows(self._shop, batch)
        for name, table in tables.items():
            _written(table, self._path(name, batch))
        return sum(table.num_rows for table in tables.values())

    def finish(self) -> None:
        """Do nothing: every file is in its place."""

    def _names(self, batch: Batch) -> tuple[str, ...]:
        return {
            "warehouses": ("warehouses",),
            "sellers": ("sellers", "products", "variants", "inventory"),
            "orders": ("orders", "payouts", "events"),
        }[batch.kind]

    def _path(self, table: str, batch: Batch) -> Path:
        return self._folder / table / f"part-{batch.number:05}.parquet"

    def __enter__(self) -> Self:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            self._prepare()
        except Timeout:
            raise StreamgymError(f"another seed writes to {self._folder}: let it end") from None
        except OSError as error:
            raise StreamgymError(f"{self._folder} cannot be written to: {error}") from None
        return self

    def _prepare(self) -> None:
        path = self._folder / IDENTITY
        if path.exists():
            held = path.read_text()
            if held != self._shop.identity:
                remedy = "empty it, or choose another --out"
                raise StreamgymError(differs(str(self._folder), held, self._shop, remedy))
        elif any(not item.name.startswith(".") for item in self._folder.iterdir()):
            raise StreamgymError(f"{self._folder} holds other files: choose another --out")
        else:
            _put(self._shop.identity.encode(), path)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()
        if isinstance(error, OSError):
            raise StreamgymError(f"{self._folder}: {error}; the same command goes on") from error


def event_rows(shop: Ekart, batch: Batch) -> pa.Table:
    """Return a batch's events as rows: topic, key, value and event time, in order of arrival."""
    events = ekart_events.events(shop, batch)
    topics = picked(ekart_events.TOPICS, events["topic"].to_numpy())
    event_time = times(events["time"].to_numpy())
    return pa.table(
        {
            "topic": topics,
            "key": events["key"],
            "value": events["value"],
            "event_time": event_time,
        }
    )


def _written(table: pa.Table, path: Path) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    path.parent.mkdir(exist_ok=True)
    _put(memoryview(sink.getvalue()), path)


def _put(data: bytes | memoryview, path: Path) -> None:
    """Write a file under another name; it gets its own when all of it is on the disk."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
