"""What is checked in lab 13, skew, and the hints."""

import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from streamgym.checks import (
    Case,
    Expectations,
    Function,
    Plan,
    exercise,
    expect,
    plans,
    queries,
    stages,
)
from streamgym.checks.answers import Raised
from streamgym.checks.stages import Measured
from streamgym.data import journey

ADAPTIVE = "spark.sql.adaptive."
HELD = {
    "spark.sql.shuffle.partitions": 16,
    "spark.sql.autoBroadcastJoinThreshold": -1,
    "spark.sql.files.minPartitionNum": 8,
    "spark.sql.adaptive.enabled": False,
}
"""Spark does what the query says: it neither broadcasts nor mends skew by itself."""

SALTABLE = 0.25
"""The largest share that a task may have once the hot key is spread."""

SMALL = 100
"""Rows that may always be broadcast, such as a list of salts."""


def shares(title: str, got: Measured, most: float, hint: Any) -> Expectations:
    """Expect that no task reads more than its share; the evidence is the tasks' records."""
    share, records = got.largest_share, [task.read for task in got.skewed.tasks]
    given = f"{share:.0%} of the records are in one task; records by task: {records}"
    yield expect(title, share <= most, equals=True, given=given, hint=hint)


def run(answer: Plan, case: Case, tables: Mapping[str, pd.DataFrame]) -> Measured | Raised:
    """Apply the answer to these tables, in their order, and run and measure its query."""
    spark = case.world.spark()
    with files(spark, tables) as paths:
        sources = [plans.to_message(spark.read.parquet(str(path))) for path in paths]
        message = answer.relation(sources)
        return message if isinstance(message, Raised) else stages.run(message, spark, HELD)


@contextmanager
def files(spark: Any, tables: Mapping[str, pd.DataFrame]) -> Iterator[list[Path]]:
    """Write tables as Parquet; one with a column ``part`` becomes a file for each of its values."""
    with queries.folder(spark) as here:
        for name, table in tables.items():
            (here / name).mkdir(parents=True)
            parts = table.groupby("part") if "part" in table else [(0, table)]
            for number, part in parts:
                kept = part.drop(columns="part", errors="ignore")
                kept.to_parquet(here / name / f"part-{number}.parquet", index=False)
        yield [here / name for name in tables]


def runs(got: Measured | Raised, rows: str = "", hint: int = 1) -> Expectations:
    """Expect that the query runs.

    One that gives far too many rows does run, but fails the expectation ``rows``, with ``hint``.
    """
    if isinstance(got, Raised) and "TooManyRows" in got.error and rows:
        yield expect(rows, got, equals="a row for each that is due", hint=hint)
        return
    shown = got if isinstance(got, Raised) else "it runs"
    yield expect("the query runs", shown, equals="it runs")


@lru_cache(maxsize=3)
def slice_of(seed: int) -> journey.Slice:
    """Return the same slice for every answer that is tried on one seed."""
    return journey.sample(random.Random(seed))


def drawn(case: Case) -> journey.Slice:
    return slice_of(case.rng.randrange(2**32))


def counted(rows: list[dict[str, Any]], columns: list[str]) -> dict[str, int]:
    """Count rows by their values in these columns; a missing column counts as missing."""
    keys = (" ".join(str(row.get(name, "(missing)")) for name in columns) for row in rows)
    return dict(Counter(keys))


def wanted(frame: pd.DataFrame, columns: list[str]) -> dict[str, int]:
    return counted(frame[columns].to_dict("records"), columns)


def in_files(frame: pd.DataFrame, number: int = 8) -> pd.DataFrame:
    """Spread rows over so many files, so that so many tasks read them."""
    return frame.assign(part=[row % number for row in range(len(frame))])


# %% largest_share


@exercise(
    title="Measure skew: the largest task's share",
    points=5,
    hints=[
        "Divide the largest task's records by the records of all tasks together.",
        "A share is a part of the whole: divide by the sum, not by the mean.",
        "A stage may have read no record at all: its share is 0.0, not an error.",
        "Compare with the whole, not with the second largest or the median task.",
    ],
)
def largest_share(answer: Function, case: Case) -> Expectations:
    lists = [[case.rng.randrange(1, 900) for _ in range(16)] for _ in range(8)]
    lists += [[*records[:12], 9000, 0, 0, 0] for records in lists[:6]]
    for records, share in zip(lists, answer.map([(r,) for r in lists]), strict=False):
        top, median = max(records), sorted(records)[len(records) // 2]
        yield expect(
            "the largest task's share of all records",
            share,
            equals=top / sum(records),
            given={"records by task": records},
            within=1e-6,
            mistakes={
                2: top / (sum(records) / len(records)),
                4: top / median if median else None,
            },
        )
    for none in ([0, 0, 0, 0], []):
        (share,) = answer.map([(none,)])
        yield expect("a stage that reads nothing", share, equals=0.0, given=none, hint=3)


# %% mailed

LINE = ["basket_id", "product_id", "sales_cents"]
FROM_MAILER = "the purchases from the mailer, each once"


@exercise(
    title="Distinct before the join, not after it",
    points=15,
    hints=[
        "Keep the purchases whose product and week are among those of the mailer.",
        "The join made a row for every store that promoted the product. Make product and week distinct before the join, so that nothing blows up.",
        "A purchase comes out many times, once for each store's promotion. You need each once.",
        "Last month's mailer does not count: product and week must both match.",
        "A promotion with mailer_location '0' was in the store, but not in the mailer.",
    ],
)
def mailed(answer: Plan, case: Case) -> Expectations:
    part = drawn(case)
    got = run(answer, case, {"purchases": in_files(part.purchases), "promotions": part.promotions})
    yield from runs(got, FROM_MAILER, 3)
    if isinstance(got, Raised):
        return
    every = part.promotions[["product_id", "week"]].drop_duplicates()
    ads = advertised(part)
    yield expect(
        FROM_MAILER,
        counted(got.rows, LINE),
        equals=wanted(part.purchases.merge(ads), LINE),
        given="basket, product and cents",
        mistakes={
            3: lambda: wanted(part.purchases.merge(mailers(part)), LINE),
            4: lambda: wanted(
                part.purchases[part.purchases["product_id"].isin(ads["product_id"])], LINE
            ),
            5: lambda: wanted(part.purchases.merge(every), LINE),
        },
    )
    most = len(part.purchases)
    yield expect(
        "the join makes no more rows than there are purchases",
        got.joined <= most,
        equals=True,
        given=f"{got.joined:,} rows came out of the join of {most:,} purchases",
        hint=2,
    )


def mailers(part: journey.Slice) -> pd.DataFrame:
    """Return product and week of each store's promotion in the mailer."""
    promotions = part.promotions
    return promotions.loc[promotions["mailer_location"] != "0", ["product_id", "week"]]


def advertised(part: journey.Slice) -> pd.DataFrame:
    """Return product and week, once, of what was in the mailer."""
    return mailers(part).drop_duplicates(ignore_index=True)


# %% categories

LABELLED = [*LINE, "product_category"]


@exercise(
    title="Broadcast the small side",
    points=10,
    hints=[
        "Each purchase gets its product's category: a join on product_id.",
        "Both tables were shuffled, and all bananas went to one task. Send the small table to every task instead: F.broadcast(...).",
        "You broadcast the purchases: the big table was copied to every worker. Hint the small side.",
        "A product that nobody bought does not belong in the result.",
    ],
)
def categories(answer: Plan, case: Case) -> Expectations:
    part = drawn(case)
    tables = {"purchases": in_files(part.purchases), "products": part.products}
    got = run(answer, case, tables)
    yield from runs(got)
    if isinstance(got, Raised):
        return
    unsold = part.purchases.merge(part.products, how="right")
    unsold = unsold[unsold["basket_id"].isna()]
    found = counted(got.rows, LABELLED)
    yield expect(
        "each purchase with its category",
        found,
        equals=wanted(part.purchases.merge(part.products), LABELLED),
        given="basket, product, cents and category",
        hint=4 if len(got.rows) == len(part.purchases) + len(unsold) else 1,
    )
    moved = f"{got.shuffled:,} records were written to shuffles"
    yield expect("nothing is shuffled", got.shuffled == 0, equals=True, given=moved, hint=2)
    sent = f"{got.broadcast:,} rows were broadcast; there are {len(part.products):,} products"
    small = got.broadcast <= len(part.products)
    yield expect("only the small table is broadcast", small, equals=True, given=sent, hint=3)


# %% after_ads

AFTER = ["basket_id", "product_id", "week", "ad_week"]
WITH_ADS = "each purchase with each ad of its week or the week before"


@exercise(
    title="Salt the hot key, on both sides",
    points=20,
    hints=[
        "Add a column `salt` to both tables, and join on product_id and salt.",
        "One product still goes to one task. Give each purchase one of 16 salts, so that the hot key becomes 16 keys.",
        "Purchases were lost: a purchase with salt 7 needs an ad with salt 7. Copy every ad once for each salt (explode).",
        "A salt made of the key itself is the same for all bananas. Take a random one, or one from another column.",
        "Rows came out many times: the copies of the ads must be told apart by the salt, so the salt belongs in the join.",
        "Neither table fits into a worker's memory here: the ads must not be broadcast.",
    ],
)
def after_ads(answer: Plan, case: Case) -> Expectations:
    part = drawn(case)
    ads = advertised(part).rename(columns={"week": "ad_week"})
    got = run(answer, case, {"purchases": in_files(part.purchases), "ads": ads})
    yield from runs(got, WITH_ADS, 5)
    if isinstance(got, Raised):
        return
    due = joined_to_ads(part.purchases, ads)
    yield expect(
        WITH_ADS,
        counted(got.rows, AFTER),
        equals=wanted(due, AFTER),
        given=f"basket, product, week and ad_week; {len(due):,} rows are due, {len(got.rows):,} came",
        hint=3 if len(got.rows) < len(due) else 5,
    )
    keys = len(ads) + len(part.purchases)
    salted = got.shuffled > keys * 1.1  # copies of ads were made, so there are salts
    title = f"no task reads more than {SALTABLE:.0%} of a stage's records"
    yield from shares(title, got, SALTABLE, 4 if salted or plain_salt(got) else 2)
    sent = f"{got.broadcast:,} rows were broadcast"
    yield expect("no table is broadcast", got.broadcast <= SMALL, equals=True, given=sent, hint=6)


def plain_salt(got: Measured) -> bool:
    """Return whether a join was on more than the product: then its rows show the salt."""
    return any("salt" in row for row in got.rows[:1])


def joined_to_ads(purchases: pd.DataFrame, ads: pd.DataFrame) -> pd.DataFrame:
    both = purchases[["basket_id", "product_id", "week"]].merge(ads, on="product_id")
    return both[(both["week"] - both["ad_week"]).isin([0, 1])]


# %% page_costs

COSTS = ["basket_id", "product_id", "cost_cents"]


@exercise(
    title="Keep null keys out of the shuffle",
    points=15,
    hints=[
        "Every purchase stays, with the cost of its page; most have no page, and so no cost.",
        "A null key matches nothing, yet all nulls are sent to one task. Join only the rows that have a key, or give the nulls keys of many values that match nothing.",
        "A null page got a cost: nulls were made equal to nulls (eqNullSafe, or one value put in their place on both sides). Unknown is not the same page as unknown.",
        "Purchases without a page are gone. They belong in the result, without a cost.",
        "The pages must not be broadcast here.",
    ],
)
def page_costs(answer: Plan, case: Case) -> Expectations:
    part = drawn(case)
    purchases = with_pages(part)
    pages = priced(purchases, case.rng)
    got = run(answer, case, {"purchases": in_files(purchases), "pages": pages})
    yield from runs(got)
    if isinstance(got, Raised):
        return
    unknown = int(pages.loc[pages["page"].isna(), "cost_cents"].iloc[0])
    costs = dict(zip(pages["page"].dropna(), pages["cost_cents"], strict=False))
    due = purchases.assign(cost_cents=purchases["page"].map(costs).astype("Int64"))
    yield expect(
        "every purchase once, with its page's cost",
        counted(got.rows, COSTS),
        equals=wanted_or_none(due),
        given="basket, product and cost",
        hint=cost_hint(got.rows, len(due), unknown),
    )
    yield from shares("no task reads more than 25% of a stage's records", got, SALTABLE, 2)
    sent = f"{got.broadcast:,} rows were broadcast"
    yield expect("the pages are not broadcast", got.broadcast == 0, equals=True, given=sent, hint=5)


def cost_hint(rows: list[dict[str, Any]], due: int, unknown: int) -> int:
    if any(row.get("cost_cents") == unknown for row in rows):
        return 3
    return 4 if len(rows) < due else 1


def with_pages(part: journey.Slice) -> pd.DataFrame:
    """Return purchases with the page of the mailer that they were on, if they were on one."""
    first = mailer_pages(part).drop_duplicates(["product_id", "week"])
    bought = part.purchases[["basket_id", "product_id", "week", "sales_cents"]]
    return bought.merge(first, how="left", on=["product_id", "week"])


def mailer_pages(part: journey.Slice) -> pd.DataFrame:
    promotions = part.promotions[part.promotions["mailer_location"] != "0"]
    pages = promotions["mailer_location"] + "-" + promotions["product_id"].astype(str)
    return promotions[["product_id", "week"]].assign(page=pages)


def priced(purchases: pd.DataFrame, rng: random.Random) -> pd.DataFrame:
    """Return a cost for each page, and one more of a page whose name is unknown."""
    names = sorted(purchases["page"].dropna().unique())
    costs = rng.sample(range(100, 100 + 10 * len(names)), len(names))
    return pd.DataFrame({"page": [*names, None], "cost_cents": [*costs, 99_999]})


def wanted_or_none(due: pd.DataFrame) -> dict[str, int]:
    costs = [None if pd.isna(cost) else int(cost) for cost in due["cost_cents"]]
    rows = zip(due["basket_id"], due["product_id"], costs, strict=True)
    return counted([dict(zip(COSTS, row, strict=True)) for row in rows], COSTS)


# %% skew_settings


@exercise(
    title="Let Spark split the hot partition: AQE",
    points=10,
    hints=[
        "Adaptive execution is on by default. What it takes for skewed is a matter of bytes.",
        "A partition counts as skewed from 256 MB on. Ours has some 60 kB: lower skewJoin.skewedPartitionThresholdInBytes.",
        "Spark cuts a skewed partition into pieces of advisoryPartitionSizeInBytes, 64 MB by default. Lower that too, below the size of our partition.",
        "Only settings whose names start with spark.sql.adaptive. are asked for.",
    ],
)
def skew_settings(answer: Function, case: Case) -> Expectations:
    (given,) = answer.map([()])
    adaptive = isinstance(given, dict) and all(name.startswith(ADAPTIVE) for name in given)
    hint = 4 if isinstance(given, dict) else 1
    yield expect("only adaptive settings", adaptive, equals=True, given=given, hint=hint)
    if not adaptive:
        return
    part = drawn(case)
    ads = advertised(part).rename(columns={"week": "ad_week"})
    got = hot_join(case, part, ads, HELD | {f"{ADAPTIVE}enabled": True} | given)
    yield from runs(got)
    if isinstance(got, Raised):
        return
    due = wanted(joined_to_ads(part.purchases, ads), AFTER)
    yield expect("the result stays the same", counted(got.rows, AFTER), equals=due)
    lowered = any("skewedPartitionThreshold" in name for name in given)
    title = "no task reads more than 40% of the join's records"
    yield from shares(title, got, 0.4, 3 if lowered else 2)


def hot_join(
    case: Case, part: journey.Slice, ads: pd.DataFrame, settings: Mapping[str, Any]
) -> Measured | Raised:
    """Run the plain join of purchases and ads with these settings."""
    spark = case.world.spark()
    with files(spark, {"purchases": in_files(part.purchases), "ads": ads}) as paths:
        purchases, adverts = (spark.read.parquet(str(path)) for path in paths)
        joined = purchases.join(adverts, "product_id").where("week - ad_week IN (0, 1)")
        return stages.run(plans.to_message(joined.select(*AFTER)), spark, settings)


# %% beside_the_mean

MEANS = ["basket_id", "product_id", "mean_cents"]


@exercise(
    title="Aggregate a skewed key in two steps",
    points=15,
    hints=[
        "Each purchase stays, with the mean of sales_cents of its category.",
        "A window over the category sends every purchase of it to one task. Aggregate first: one row a category is enough.",
        "The aggregate is small, but the join back shuffled all purchases by category again. Broadcast the aggregate.",
        "A mean of means is not the mean. Carry sums and counts through the first step, and divide in the last.",
    ],
)
def beside_the_mean(answer: Plan, case: Case) -> Expectations:
    part = drawn(case)
    purchases = part.purchases.merge(part.products[["product_id", "product_category"]])
    purchases = purchases[["basket_id", "product_id", "product_category", "sales_cents"]]
    got = run(answer, case, {"purchases": in_files(purchases)})
    yield from runs(got)
    if isinstance(got, Raised):
        return
    means = purchases.groupby("product_category")["sales_cents"].transform("mean")
    keys = purchases["basket_id"].astype(str) + " " + purchases["product_id"].astype(str)
    yield expect("every purchase, once", len(got.rows), equals=len(purchases), given="rows")
    found = {f"{row.get('basket_id')} {row.get('product_id')}": mean_of(row) for row in got.rows}
    yield expect(
        "the mean of its category",
        found,
        equals=dict(zip(keys, means.tolist(), strict=True)),
        within=0.001,
        given="basket and product",
        hint=4,
    )
    tenth = len(purchases) // 10
    given = (
        f"{got.shuffled:,} records were written to shuffles; there are {len(purchases):,} purchases"
    )
    few = got.shuffled <= tenth
    yield expect(
        "the purchases themselves are not shuffled",
        few,
        equals=True,
        given=given,
        hint=3 if got.joined else 2,
    )


def mean_of(row: Mapping[str, Any]) -> Any:
    """Return the mean as a number; a decimal one will do."""
    mean = row.get("mean_cents")
    return mean if mean is None or isinstance(mean, str) else float(mean)


# %% shuffle_partitions


@exercise(
    title="The right number of shuffle partitions",
    points=10,
    hints=[
        "Enough partitions that none is over the target, in whole rounds over the cores.",
        "200 is only Spark's default: on tiny data it is 200 almost empty tasks, on big data it is too few.",
        "Round up: with one partition too few, each is over the target.",
        "The last round of tasks leaves cores idle: go up to the next multiple of the cores.",
        "The cores alone will not do: a partition must not be larger than the target.",
    ],
)
def shuffle_partitions(answer: Function, case: Case) -> Expectations:
    mega = 1_000_000
    calls = [
        (case.rng.randrange(1, 400) * case.rng.choice([10_000, mega, 300 * mega]), cores, target)
        for cores in (2, 6, 16, 50)
        for target in (64 * mega, 128 * mega, 200 * mega)
    ]
    calls += [(7 * 128 * mega + 1, 4, 128 * mega), (50_000, 2, 128 * mega)]
    calls += [(10 * 64 * mega, 4, 64 * mega), (9 * 64 * mega + 9, 3, 64 * mega)]
    for (size, cores, target), number in zip(calls, answer.map(calls), strict=False):
        least = math.ceil(size / target)
        yield expect(
            "whole rounds of tasks, none over the target",
            number,
            equals=max(1, math.ceil(least / cores)) * cores,
            given={"shuffle_bytes": size, "cores": cores, "target_bytes": target},
            mistakes={
                2: 200,
                3: max(1, math.ceil((size // target) / cores)) * cores,
                4: max(1, least),
                5: cores,
            },
        )


# %% march_sales


@exercise(
    title="Read only the weeks that you need: partition pruning",
    points=10,
    hints=[
        "The sum of sales_cents for each store, over the weeks 10 to 13.",
        "Every week's file was opened. Spark can skip a folder only when the filter names the column that the folders are called after: week.",
        "between takes in both ends: week 13 counts.",
    ],
)
def march_sales(answer: Plan, case: Case) -> Expectations:
    first = case.rng.randrange(4, 9)
    stores = case.rng.sample(range(300, 400), 60)
    bought = journey.purchases_of_the_year()
    bought = bought[bought["store_id"].isin(stores) & bought["week"].between(first, first + 11)]
    spark = case.world.spark()
    with queries.folder(spark) as here:
        bought.to_parquet(here / "purchases", partition_cols=["week"], index=False)
        source = spark.read.parquet(str(here / "purchases"))
        message = answer.relation(plans.to_message(source))
        got = message if isinstance(message, Raised) else stages.run(message, spark, HELD)
    yield from runs(got)
    if isinstance(got, Raised):
        return
    yield expect(
        "the sales of each store",
        {row.get("store_id"): row.get("sales_cents") for row in got.rows},
        equals=sales(bought, 10, 13),
        given="cents by store",
        mistakes={3: sales(bought, 10, 12)},
    )
    opened = f"{got.files_read} files were opened, of {bought['week'].nunique()}"
    four = got.files_read <= 4
    yield expect("only four weeks' files are read", four, equals=True, given=opened, hint=2)


def sales(bought: pd.DataFrame, first: int, last: int) -> dict[int, int]:
    weeks = bought[bought["week"].between(first, last)]
    return {int(k): int(v) for k, v in weeks.groupby("store_id")["sales_cents"].sum().items()}


# %% compact

WRITTEN_WEEKS = range(10, 16)


@exercise(
    title="One file a week: no small files",
    points=10,
    hints=[
        "The rows stay as they are; only how they lie in partitions changes.",
        "Each task writes a file of its own for every week that it holds. Bring a week's rows together first: repartition by the column week.",
        "coalesce(1) makes one task write everything. Let each week be written by a task of its own.",
    ],
)
def compact(answer: Plan, case: Case) -> Expectations:
    stores = case.rng.sample(range(280, 450), 70)
    bought = journey.purchases_of_the_year()
    weeks = bought["week"].between(WRITTEN_WEEKS[0], WRITTEN_WEEKS[-1])
    bought = in_files(bought[bought["store_id"].isin(stores) & weeks], 6)
    spark = case.world.spark()
    with files(spark, {"purchases": bought}) as (source, *_), queries.folder(spark) as target:
        message = answer.relation(plans.to_message(spark.read.parquet(str(source))))
        got = message if isinstance(message, Raised) else written(message, spark, target)
        made = sorted(target.rglob("*.parquet"))
        rows = len(pd.read_parquet(target)) if made else 0
    yield from runs(got)
    if isinstance(got, Raised):
        return
    yield expect("every purchase is written once", rows, equals=len(bought), given="rows")
    number = len(WRITTEN_WEEKS)
    given = f"{number} weeks"
    yield expect("one file for each week", len(made), equals=number, given=given, hint=2)
    outputs = [task.output for stage in got.stages for task in stage.tasks if task.output]
    share = max(outputs, default=0) / max(1, sum(outputs))
    shown = f"records by writing task: {outputs}"
    even = share <= 0.6
    yield expect("no task writes over 60% of the rows", even, equals=True, given=shown, hint=3)


def written(message: bytes, spark: Any, target: Path) -> Measured | Raised:
    def save(frame: Any) -> None:
        frame.write.partitionBy("week").parquet(str(target))

    return stages.write(message, spark, save, HELD)
