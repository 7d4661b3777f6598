"""What loads read and what they miss: rows and bytes, of Postgres and of Parquet."""

import io
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
import matplotlib.pyplot as plt
import psycopg
import pyarrow as pa
import pyarrow.dataset as ds
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox
from pyarrow.fs import FSSpecHandler, PyFileSystem

from streamgym.checks import databases

PAGE = 8192
"""Bytes of a page, in which Postgres reads and writes tables and indexes."""

GOT, LOOKED_AT = "#3b7dd8", "#9ec5f4"
GOOD, SOME, BAD = "#cfead9", "#fbe3bf", "#f6cfcd"

NIGHT = """
CREATE TABLE warehouse AS TABLE orders;
CREATE UNIQUE INDEX ON warehouse (id);
CREATE TABLE changes (number bigserial PRIMARY KEY, op text NOT NULL, LIKE orders);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO changes SELECT nextval('changes_number_seq'), TG_OP, (COALESCE(NEW, OLD)).*;
    RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON orders
    FOR EACH ROW EXECUTE FUNCTION note();
INSERT INTO orders SELECT 1000000 + n, n, 9.99, 'placed', placed, placed
    FROM generate_series(1, 60) n, LATERAL (SELECT DATE '2025-07-01' + n * INTERVAL '20 minutes')
    t(placed);
UPDATE orders SET status = 'cancelled', updated_at = '2025-07-01 15:00'
    WHERE id % 500 = 0 AND id < 1000000;
INSERT INTO orders SELECT 2000000 + n, n, 4.99, 'placed',
    DATE '2025-07-01' - n * n * n * INTERVAL '2 minutes', '2025-07-01 16:00'
    FROM generate_series(1, 8) n;
DELETE FROM orders WHERE id % 2500 = 2499 AND id < 1000000;
CREATE TABLE happened AS SELECT id, CASE WHEN op = 'UPDATE' THEN 'changed'
    WHEN op = 'DELETE' THEN 'deleted' WHEN id > 2000000 THEN 'late' ELSE 'new' END AS what
    FROM changes;
"""
"""The first of July, after a load at midnight: orders are placed, changed and deleted; some come
that were placed the evening before. A trigger notes each change in a table of its own."""

KINDS = ("new", "changed", "late", "deleted")
ARRIVED = """
SELECT what, count(*) AS number, count(*) FILTER (WHERE o IS NOT DISTINCT FROM w) AS arrived
FROM happened LEFT JOIN orders o USING (id) LEFT JOIN warehouse w USING (id) GROUP BY what
"""
NEWEST = """
SELECT id, seller_id, amount, status, placed_at, updated_at FROM
(SELECT DISTINCT ON (id) * FROM changes ORDER BY id, number DESC) c WHERE op <> 'DELETE'
"""


@dataclass(frozen=True)
class Read:
    """What a load read.

    Attributes:
        rows: that it got.
        looked_at: rows that had to be looked at for them.
        bytes: that were read for them.
    """

    rows: int
    looked_at: int
    bytes: int


def query(url: str, text: str, values: Sequence[Any] = ()) -> Read:
    """Run a query under EXPLAIN, and return what Postgres says that it read.

    A page counts whether it came from the disk or from memory.
    """
    explained = databases.rows(url, f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}", values)
    plan = explained[0]["QUERY PLAN"][0]["Plan"]
    pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return Read(int(plan["Actual Rows"]), _looked_at(plan), pages * PAGE)


def _looked_at(plan: Mapping[str, Any]) -> int:
    """Return the rows of the plan's scans, those that a filter removed among them."""
    if below := plan.get("Plans"):
        return sum(map(_looked_at, below))
    return int(plan["Actual Rows"]) + int(plan.get("Rows Removed by Filter", 0))


@dataclass(frozen=True)
class Load:
    """A load that was tried.

    Attributes:
        read: what it read.
        arrived: of each kind of change how many are in the warehouse after it.
        number: of each kind how many there were.
    """

    read: Read
    arrived: Mapping[str, int]
    number: Mapping[str, int]


def night(url: str) -> dict[str, int]:
    """Let the first of July happen to the orders, and return how much of each kind did."""
    with psycopg.connect(url) as db:
        db.execute(NIGHT)
        counted = "SELECT what, count(*) FROM happened GROUP BY what ORDER BY 2 DESC, 1"
        return dict(db.execute(counted).fetchall())


def load(url: str, where: str) -> Load:
    """Try a load of the orders for which this holds: they replace those of the warehouse."""
    stale = f"({where}) OR id IN (SELECT id FROM orders WHERE {where})"
    fresh = f"SELECT * FROM orders WHERE {where}"
    return _tried(url, fresh, stale, fresh)


def delta(url: str) -> Load:
    """Try a load of the changes, with deletions."""
    return _tried(url, "SELECT * FROM changes", "id IN (SELECT id FROM changes)", NEWEST)


def _tried(url: str, read: str, stale: str, fresh: str) -> Load:
    """Replace what is stale by what is fresh, look, and undo it."""
    measured = query(url, read)
    with psycopg.connect(url) as db, db.transaction(force_rollback=True):
        db.execute(f"DELETE FROM warehouse WHERE {stale}".encode())
        db.execute(f"INSERT INTO warehouse {fresh}".encode())
        found = db.execute(ARRIVED).fetchall()
    arrived = {kind: some for kind, _, some in found}
    return Load(measured, arrived, {kind: number for kind, number, _ in found})


class _Counted(io.FileIO):
    """A file that counts, for its file system, the bytes that are read of it."""

    def __init__(self, path: str, system: "_Counting") -> None:
        super().__init__(path)
        self._system = system

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(-1 if size is None else size) or b""
        self._system.bytes += len(data)
        return data


class _Counting(FSSpecHandler):  # type: ignore[misc]
    """The local file system, with a count of the bytes that are read of its files."""

    def __init__(self) -> None:
        super().__init__(fsspec.filesystem("file"))
        self.bytes = 0
        self.opened = ExitStack()

    def open_input_file(self, path: str) -> Any:
        return pa.PythonFile(self.opened.enter_context(_Counted(path, self)), mode="r")


def files(
    folder: str | Path, where: ds.Expression | None = None, columns: Sequence[str] = ()
) -> Read:
    """Read Parquet files, partitioned as ``name=value``, and return what was read of them.

    The footers, which tell where the data lie, do not count.

    Args:
        folder: where they are.
        where: a condition; files whose partition does not meet it are not opened.
        columns: those that are read; all by default.
    """
    counting = _Counting()
    with counting.opened:
        data = ds.dataset(str(folder), filesystem=PyFileSystem(counting), partitioning="hive")
        looked_at = sum(f.metadata.num_rows for f in data.get_fragments(filter=where))
        counting.bytes = 0
        options = ds.ParquetFragmentScanOptions(pre_buffer=False)
        got = data.to_table(list(columns) or None, filter=where, fragment_scan_options=options)
    return Read(got.num_rows, looked_at, counting.bytes)


def write_days(orders: pa.Table, folder: str | Path) -> None:
    """Write orders as Parquet, a folder for each day on which they were placed."""
    days = orders["placed_at"].cast(pa.date32()).cast(pa.string())
    ds.write_dataset(
        orders.append_column("day", days),
        folder,
        format="parquet",
        partitioning=["day"],
        partitioning_flavor="hive",
    )


def draw(reads: Mapping[str, Read]) -> None:
    """Draw what was read, a row for each load: rows to the left, bytes to the right."""
    figure, (rows, sizes) = plt.subplots(
        1, 2, figsize=(9, 0.42 * len(reads) + 1.1), sharey=True, layout="constrained"
    )
    names = list(reads)
    looked_at = [read.looked_at for read in reads.values()]
    got = [read.rows for read in reads.values()]
    rows.barh(names, looked_at, color=LOOKED_AT, label="looked at")
    rows.barh(names, got, color=GOT, height=0.45, label="got")
    kilobytes = [read.bytes / 1000 for read in reads.values()]
    sizes.barh(names, kilobytes, color=GOT)
    both = zip(got, looked_at, strict=True)
    labels = [f"{n:,}" if n == m else f"{n:,} of {m:,}" for n, m in both]
    _scale(rows, labels, looked_at, min(got), "rows")
    _scale(sizes, [f"{n:,.0f}" for n in kilobytes], kilobytes, min(kilobytes), "kilobytes")
    rows.invert_yaxis()
    figure.legend(loc="outside upper left", ncols=2, fontsize=8, frameon=False)
    plt.show()


def _scale(
    axes: Axes, labels: Sequence[str], ends: Sequence[float], least: float, xlabel: str
) -> None:
    for row, (label, end) in enumerate(zip(labels, ends, strict=True)):
        axes.text(end, row, f" {label}", va="center", fontsize=8)
    axes.set(xscale="log", xlabel=xlabel, xlim=(max(1, least / 5), max(ends) * 12))
    axes.xaxis.set_minor_formatter("")


def draw_missed(loads: Mapping[str, Load]) -> None:
    """Draw how many of each kind of change arrived with each load."""
    _figure, axes = plt.subplots(figsize=(9, 0.45 * len(loads) + 0.6), layout="constrained")
    cells, colours = [], []
    for load in loads.values():
        pairs = [(load.arrived[kind], load.number[kind]) for kind in KINDS]
        cells.append([f"{some} of {number}" for some, number in pairs] + [f"{load.read.rows:,}"])
        colours.append([_colour(*pair) for pair in pairs] + ["white"])
    table = axes.table(
        cells,
        cellColours=colours,
        rowLabels=list(loads),
        colLabels=[*KINDS, "rows read"],
        cellLoc="center",
        bbox=Bbox.from_bounds(0.22, 0, 0.78, 1),
    )
    table.auto_set_font_size(False)
    axes.axis("off")
    plt.show()


def _colour(arrived: int, number: int) -> str:
    return GOOD if arrived == number else SOME if arrived else BAD


def draw_overlap(loads: Mapping[int, Load]) -> None:
    """Draw what loads with an overlap of so many hours found of the late, and what they read."""
    _figure, panels = plt.subplots(1, 2, figsize=(9, 2.6), layout="constrained")
    found = [load.arrived["late"] for load in loads.values()]
    read = [load.read.rows for load in loads.values()]
    titles = ("late orders that arrived", "rows read")
    for axes, heights, title in zip(panels, (found, read), titles, strict=True):
        axes.plot(list(loads), heights, "o-", color=GOT)
        axes.set(xlabel="overlap (hours)", title=title, ylim=(0, 1.15 * max(heights)))
    plt.show()
