import random

import pandas as pd
import pyarrow.parquet as pq
import pytest

from streamgym.data import journey


def rows(table: str) -> int:
    files = journey.path(table).rglob("*.parquet")
    return sum(pq.ParquetFile(file).metadata.num_rows for file in files)


@pytest.mark.parametrize(
    ("table", "number"),
    [
        ("purchases", 1_469_307),
        ("promotions", 20_940_529),
        ("products", 92_331),
        ("households", 801),
    ],
)
def test_no_row_of_the_source_is_lost(table, number):
    assert rows(table) == number


def test_purchases_and_promotions_are_split_by_week():
    for table in ("purchases", "promotions"):
        folders = {folder.name for folder in journey.path(table).iterdir()}
        assert folders == {f"week={week}" for week in range(1, 54)}


def test_purchases_have_the_right_types_and_values():
    week = journey.purchases(range(1, 2))
    first = week.sort_values("time").iloc[0]
    assert (week.dtypes[["household_id", "sales_cents"]] == "int64").all()
    assert first["time"] == pd.Timestamp("2017-01-01T11:53:26Z")
    assert (first["sales_cents"], first["week"]) == (50, 1)


def test_not_a_cent_is_lost():
    source = pd.read_parquet(journey.source("transactions"), columns=["sales_value"])
    bought = journey.purchases()
    assert bought["sales_cents"].sum() == round(source["sales_value"].sum() * 100)


def test_weeks_begin_at_midnight_in_new_york():
    local = (
        journey.purchases(range(2, 30)).set_index("week")["time"].dt.tz_convert("America/New_York")
    )
    first, last = local.groupby(level=0).min(), local.groupby(level=0).max()
    assert (first.dt.weekday == 0).all()
    assert (last.dt.weekday == 6).all()


def test_a_seed_draws_the_same_slice_with_its_hot_product():
    one, again, other = (journey.sample(random.Random(seed)) for seed in (1, 1, 2))
    for name, table in one.tables.items():
        pd.testing.assert_frame_equal(table, again.tables[name])
    assert not one.purchases.equals(other.purchases)
    for part in (one, other):
        assert 0.3 < (part.purchases["product_id"] == part.hot).mean() < 0.65
        assert len(part.promotions) > 10_000
        assert set(part.promotions["product_id"]) <= set(part.products["product_id"])


def test_an_unknown_table_is_refused():
    with pytest.raises(ValueError, match="choose one of purchases"):
        journey.path("sales")


def test_interrupted_preparation_leaves_no_half_a_table(tmp_path, monkeypatch):
    monkeypatch.setenv("STREAMGYM_CACHE", str(tmp_path))
    monkeypatch.setattr(journey, "_split", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        journey.prepare()
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


@pytest.mark.stack
def test_spark_reads_the_same_types_as_pandas(spark):
    purchases = journey.read(spark, "purchases")
    types = dict(purchases.dtypes)
    assert (types["sales_cents"], types["week"], types["time"]) == ("bigint", "int", "timestamp")
    total = purchases.where("week = 1").agg({"sales_cents": "sum"}).first()[0]
    assert total == journey.purchases(range(1, 2))["sales_cents"].sum()
