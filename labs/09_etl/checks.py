"""What is checked in lab 09, ETL, and the hints."""

import io
import json
import os
import random
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.errors import PySparkException

from streamgym.checks import (
    Case,
    Choice,
    Expectations,
    Function,
    Plan,
    Worker,
    databases,
    exercise,
    expect,
    plans,
)
from streamgym.checks.answers import Raised
from streamgym.checks.crashes import Hint, survives
from streamgym.data import journey
from streamgym.faults.process import finish
from streamgym.faults.sweep import Trial

Rows = list[dict[str, Any]]

NEW_YORK = ZoneInfo("America/New_York")
FIRST_MONDAY = date(2016, 12, 26)
"""When week 1 of the data begins."""

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
CENT = Decimal("0.01")
SECONDS = 60.0
SECONDS_FOR_SQL = 15


# %% purchases, drawn from the real ones


def draw(rng: random.Random, number: int, days: int = 1) -> Rows:
    """Draw real purchases, as many of each of some consecutive days, in the order of their sale.

    A quarter of them was made late in the evening, when in UTC the next day has begun.
    """
    first = date(2017, 1, 3) + rng.randrange(315) * DAY  # Thanksgiving has no evening
    each, found = number // days, []
    for day in (first + n * DAY for n in range(days)):
        sold = sold_on(day)
        evening = sold.index[sold["evening"]].tolist()
        before = sold.index[~sold["evening"]].tolist()
        chosen = rng.sample(evening, each // 4) + rng.sample(before, each - each // 4)
        found += [purchase(row, day) for row in sold.loc[chosen].itertuples()]
    return sorted(found, key=lambda row: row["sold_at"])


def sold_on(day: date) -> pd.DataFrame:
    """Return what was bought on a day of New York."""
    sold = bought_in((day - FIRST_MONDAY) // (7 * DAY) + 1)
    return sold[sold["day"] == day]


@lru_cache(maxsize=24)
def bought_in(week: int) -> pd.DataFrame:
    """Return a week's purchases, without those that cost nothing and of gasoline by the gallon.

    ``day`` and ``evening`` tell when, in New York. A week takes 2 MB.
    """
    every = journey.purchases(range(week, week + 1))
    kept = (every["sales_cents"] > 5) & every["quantity"].between(1, 20)
    sold = every.loc[kept, ["store_id", "time", "sales_cents", "retail_discount_cents"]]
    clock = sold["time"].dt.tz_convert(NEW_YORK)
    return sold.assign(day=clock.dt.date, evening=clock.dt.hour >= 20)


def purchase(row: Any, day: date) -> dict[str, Any]:
    amount, discount = row.sales_cents * CENT, row.retail_discount_cents * CENT
    return {
        "purchase": int(f"{day:%j}{row.Index:05}"),
        "store": int(row.store_id),
        "sold_at": row.time.to_pydatetime(),
        "day": day,
        "price": amount + discount,
        "discount": discount,
        "amount": amount,
    }


def plain(value: Any) -> Any:
    """Return a cell of a DataFrame as plain data; whatever is missing is None."""
    if value is None or value is pd.NaT or value is pd.NA or value != value:
        return None
    return value.to_pydatetime() if isinstance(value, pd.Timestamp) else value


def column(found: Any, name: str, key: str = "purchase") -> Any:
    """Return a column of a DataFrame by key; what has no such column stands for itself."""
    if not isinstance(found, pd.DataFrame):
        return found
    if not {key, name} <= set(found.columns):
        return f"a DataFrame with the columns {', '.join(map(str, found.columns))}"
    return {str(plain(k)): plain(v) for k, v in zip(found[key], found[name], strict=True)}


def keys(found: Any, key: str = "purchase") -> Any:
    """Return the keys of a DataFrame in its order; what has none stands for itself."""
    if not isinstance(found, pd.DataFrame):
        return found
    if key not in found.columns:
        return f"a DataFrame with the columns {', '.join(map(str, found.columns))}"
    return [plain(value) for value in found[key]]


def in_order(value: Any) -> Any:
    """Accept any order of keys."""
    return sorted(value, key=str) if isinstance(value, list) else value


# %% clean


@exercise(
    title="Clean an export: types, time zone, money",
    points=15,
    hints=[
        "One row in, one row out, with the columns purchase, store, sold_at, day and amount.",
        "`-05:00` belongs to the time. Cut it off, or parse it without its offset, and every sale happens hours earlier.",
        "A time without a zone can be any moment of a day. Keep it in UTC, and keep it marked as UTC.",
        "After 7 or 8 in the evening in New York it is tomorrow in UTC. The day in which a sale belongs is the shop's.",
        "Binary floats cannot hold most cents: 0.1 + 0.2 is not 0.3. Make a Decimal of the text, then calculate.",
        "Decimal(3.49) keeps the float's error in full length. Make it of the text: Decimal('3.49').",
        "A discount that is missing means that there was none. Anything minus *missing* is missing.",
        "The amount is what was paid: the price less the discount.",
    ],
)
def clean(answer: Function, case: Case) -> Expectations:
    exports = [draw(case.rng, 40, days) for days in (1, 2, 3)]
    calls = [(export(rows),) for rows in exports]
    for rows, (raw,), found in zip(exports, calls, answer.map(calls), strict=True):
        yield expect(
            "every purchase is there once, as a whole number",
            in_order(keys(found)),
            equals=in_order([row["purchase"] for row in rows]),
            given="purchases",
        )
        yield from clean_values(rows, raw, found)


def export(rows: Rows) -> pd.DataFrame:
    """Return purchases as a CSV export gives them: everything text, no discount left empty."""
    texts = [
        {
            "purchase": str(row["purchase"]),
            "store": str(row["store"]),
            "sold_at": row["sold_at"].astimezone(NEW_YORK).isoformat(),
            "price": str(row["price"]),
            "discount": str(row["discount"]) if row["discount"] else None,
        }
        for row in rows
    ]
    return pd.DataFrame(texts, dtype="object")


def clean_values(rows: Rows, raw: pd.DataFrame, found: Any) -> Expectations:
    given = raw.head(2).to_dict("records")
    yield expect(
        "sold_at is the moment of the sale, in UTC",
        column(found, "sold_at"),
        equals=of_each(rows, lambda row: row["sold_at"]),
        given=given,
        mistakes=wrong_moments(rows),
    )
    days = column(found, "day")
    yield expect(
        "the day is the shop's own",
        {key: value and str(value)[:10] for key, value in days.items()}
        if isinstance(days, dict)
        else days,
        equals=of_each(rows, lambda row: str(row["day"])),
        given=given,
        mistakes={4: of_each(rows, lambda row: f"{row['sold_at']:%Y-%m-%d}")},
    )
    amounts = column(found, "amount")
    yield expect(
        "the amount is exact to the cent",
        amounts,
        equals=of_each(rows, lambda row: row["amount"]),
        given=given,
        within=0.001,
        mistakes=wrong_amounts(rows, amounts),
    )


def of_each(rows: Rows, value: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """Return what ``value`` gives for each row, by purchase."""
    return {str(row["purchase"]): value(row) for row in rows}


def wrong_moments(rows: Rows) -> dict[int, Any]:
    def clock(row: dict[str, Any]) -> datetime:
        return row["sold_at"].astimezone(NEW_YORK).replace(tzinfo=None)  # type: ignore[no-any-return]

    return {
        2: of_each(rows, lambda row: clock(row).replace(tzinfo=UTC)),
        3: of_each(rows, lambda row: row["sold_at"].replace(tzinfo=None)),
    }


def wrong_amounts(rows: Rows, amounts: Any) -> dict[int, Any]:
    return {
        5: of_each(rows, lambda row: float(row["amount"])),
        6: amounts if rounds_to(rows, amounts) else None,
        7: of_each(rows, lambda row: row["amount"] if row["discount"] else None),
        8: of_each(rows, lambda row: row["price"]),
    }


def rounds_to(rows: Rows, amounts: Any) -> bool:
    """Return whether decimals are right to the cent, and only beyond it wrong."""
    found = amounts.values() if isinstance(amounts, dict) else [None]
    if not all(isinstance(value, Decimal) and value.is_finite() for value in found):
        return False
    return {key: value.quantize(CENT) for key, value in amounts.items()} == of_each(
        rows, lambda row: row["amount"]
    )


# %% daily_totals

TOTALS = """
CREATE TABLE daily_totals (day date PRIMARY KEY, purchases bigint NOT NULL, amount numeric NOT NULL);
CREATE TABLE checkpoint (purchase bigint NOT NULL);
INSERT INTO checkpoint VALUES (0);
"""
SHOP_DAYS = """
CREATE TABLE purchases (purchase bigint PRIMARY KEY, day date NOT NULL, amount numeric(10, 2) NOT NULL);
"""


@exercise(
    title="Daily totals that survive a kill",
    points=20,
    hints=[
        "Start behind the purchase that the checkpoint names, take a batch, add it, save its last number; until a batch is empty. A *duplicate key* means that the day has a row already: upsert it.",
        "A checkpoint that is saved before its batch promises what has not happened yet. Killed in between, the batch is never loaded.",
        "Between the batch and its checkpoint lies a moment. Killed there, the batch is added again. Let both be one transaction.",
        "Add to what a day has already: it gets purchases from several batches.",
    ],
)
def daily_totals(answer: Worker, case: Case) -> Expectations:
    rows = draw(case.rng, 60, days=3)
    case.rng.shuffle(rows)
    numbered = [[n, row["day"], row["amount"]] for n, row in enumerate(rows, start=1)]
    shop = case.database(SHOP_DAYS)
    databases.run(shop, "INSERT INTO purchases VALUES (%s, %s, %s)", numbered)

    def prepare() -> tuple[dict[str, str], Callable[[], Mapping[str, list[Any]]]]:
        warehouse = case.database(TOTALS)
        env = {"SHOP_URL": shop, "WAREHOUSE_URL": warehouse, "BATCH": "12"}
        return env, lambda: judge_totals(rows, warehouse)

    hints: dict[str, Hint] = {
        "no purchase is missing": missing_totals,
        "no purchase is counted twice": 3,
    }
    yield from survives(answer, case, prepare, hints)


def missing_totals(trial: Trial) -> int:
    return 2 if trial.point else 4


def judge_totals(rows: Rows, warehouse: str) -> Mapping[str, list[Any]]:
    query = "SELECT day, purchases, amount FROM daily_totals LIMIT 1000"
    found = {r["day"]: (r["purchases"], r["amount"]) for r in databases.rows(warehouse, query)}
    less, more = [], []
    for day, (number, amount) in totals(rows).items():
        has, sums = found.pop(day, (0, Decimal(0)))
        what = f"{day}: {has} purchases of {number}, {sums} of {amount}"
        less += [what] if has < number or sums < amount else []
        more += [what] if has > number or sums > amount else []
    more += [f"{day}: {has} purchases of 0" for day, (has, _) in found.items()]
    return {"no purchase is missing": less, "no purchase is counted twice": more}


def totals(rows: Iterable[Mapping[str, Any]]) -> dict[date, tuple[int, Decimal]]:
    """Return the number and the sum of purchases of each day."""
    found: dict[date, tuple[int, Decimal]] = {}
    for row in rows:
        number, amount = found.get(row["day"], (0, Decimal(0)))
        found[row["day"]] = (number + 1, amount + row["amount"])
    return dict(sorted(found.items()))


# %% next_batch

NEXT = "the next rows, oldest first"
TIES = "rows that share the mark's time"
NOTHING = "nothing is left"


@exercise(
    title="What is new? A watermark with ties",
    points=10,
    hints=[
        "Rows behind the mark, in order of time and number, and of these the first `size`.",
        "`>` on the time alone: rows that share the mark's time and did not fit into the last batch are lost for good.",
        "`>=` on the time gives rows that were loaded already, and the job may read the same batch for ever.",
        "Sort before you cut: the table gives its rows in no order.",
        "Rows that share a time need an order too, the same each time: by purchase.",
        "The clock of this machine has nothing to do with it: the mark is a time from the table.",
    ],
)
def next_batch(answer: Function, case: Case) -> Expectations:
    calls, names, dues = [], [], []
    for name in [NEXT, TIES, NOTHING] * 4:
        table = updated_rows(case.rng)
        position = mark_for(name, table, case.rng)
        size = case.rng.randrange(6, 10)
        frame = pd.DataFrame(case.rng.sample(table, len(table)))
        calls.append((frame, table[position]["updated_at"], table[position]["purchase"], size))
        dues.append([row["purchase"] for row in table[position + 1 : position + 1 + size]])
        names.append(name)
    for name, call, due, found in zip(names, calls, dues, answer.map(calls), strict=True):
        frame, time, purchase, size = call
        yield expect(
            name,
            keys(found),
            equals=due,
            given={"time": time, "purchase": purchase, "size": size},
            mistakes=wrong_batches(frame, time, size) | ({} if due else {3: keys(found)}),
            hint=6 if due and keys(found) == [] else 1,
        )


def updated_rows(rng: random.Random) -> Rows:
    """Return purchases in the order of their last update; every third time is shared by many."""
    time = draw(rng, 4)[0]["sold_at"]
    rows: Rows = []
    numbers = rng.sample(range(1000, 9000), 60)
    while numbers:
        together = rng.randrange(12, 15) if len(rows) % 3 == 0 else 1
        rows += [{"purchase": n, "updated_at": time} for n in sorted(numbers[:together])]
        numbers = numbers[together:]
        time += rng.randrange(1, 90) * timedelta(seconds=1)
    return rows


def mark_for(name: str, table: Rows, rng: random.Random) -> int:
    """Return where the mark is: in the middle of a tie, before one, or at the last row."""
    times = [row["updated_at"] for row in table]
    tied = [n for n in range(len(table) - 1) if times[n] == times[n + 1]]
    ends = [n for n in range(len(table) - 1) if times[n] != times[n + 1]]
    return {NEXT: rng.choice(ends), TIES: rng.choice(tied), NOTHING: len(table) - 1}[name]


def wrong_batches(frame: pd.DataFrame, time: datetime, size: int) -> dict[int, Any]:
    ordered = frame.sort_values(["updated_at", "purchase"])
    return {
        2: ordered[ordered["updated_at"] > time].head(size)["purchase"].tolist(),
        3: ordered[ordered["updated_at"] >= time].head(size)["purchase"].tolist(),
        4: frame[frame["updated_at"] > time].head(size)["purchase"].tolist(),
    }


# %% upsert

UPSERT = """
CREATE TABLE sales (purchase bigint PRIMARY KEY, amount numeric(10, 2) NOT NULL, version int NOT NULL);
CREATE TABLE staging (purchase bigint NOT NULL, amount numeric(10, 2) NOT NULL, version int NOT NULL);
"""
Versions = list[tuple[int, Decimal, int]]


@exercise(
    title="An idempotent upsert",
    points=15,
    hints=[
        "INSERT INTO sales SELECT ... FROM staging ON CONFLICT (purchase) DO UPDATE SET ... WHERE ...",
        "A plain INSERT fails, or appends, when a row comes again. After a crash every batch comes again.",
        "DO NOTHING keeps the old row: the correction is lost. DO UPDATE takes the new one, which is called EXCLUDED.",
        "An older version came late and took the place of a newer one. Update only WHERE the version in the table is smaller.",
        "One INSERT may touch a row only once. Pick the newest version of each purchase first: SELECT DISTINCT ON (purchase) ... ORDER BY purchase, version DESC.",
        "Of two versions in one batch the newest must win, not any.",
    ],
)
def upsert(answer: Choice, case: Case) -> Expectations:
    statement, url = answer.value, case.database(UPSERT)
    for name, before, batches, mistakes in upsert_stories(case.rng):
        found = loaded(url, statement, before, batches)
        yield expect(
            name,
            found,
            equals=newest([*before, *(row for batch in batches for row in batch)]),
            given={"in the table": before[:4], "batches": [batch[:4] for batch in batches]},
            mistakes=mistakes,
            hint=upsert_complaint(found),
        )


def upsert_stories(
    rng: random.Random,
) -> Iterator[tuple[str, Versions, list[Versions], dict[int, Any]]]:
    """Yield situations: what the table holds, what comes, and what mistakes would give."""
    rows = [(n, row["amount"], 2) for n, row in enumerate(draw(rng, 12), start=rng.randrange(5000))]
    old, new = rows[:8], rows[8:]
    corrected = [(n, amount + rng.randrange(1, 9), 3) for n, amount, _ in old[:4]]
    older = [(n, amount + 10, 1) for n, amount, _ in old[2:5]]
    yield "new rows are added", old, [new], {}
    yield "the same batch twice is as once", [], [old, old], {}
    yield "a correction takes the old row's place", old, [[*corrected, *new]], {3: newest(rows)}
    yield (
        "an older version never replaces a newer",
        old,
        [older],
        {4: newest(older + old[5:] + old[:2])},
    )
    several = [*corrected, *((n, amount + 1, 4) for n, amount, _ in corrected[:2]), *old[:4]]
    rng.shuffle(several)
    yield "several versions come in one batch", new, [several], {}


def newest(rows: Iterable[tuple[int, Decimal, int]]) -> dict[int, Any]:
    """Return amount and version of each purchase's newest version."""
    found: dict[int, Any] = {}
    for purchase, amount, version in rows:
        if version > found.get(purchase, {"version": 0})["version"]:
            found[purchase] = {"amount": amount, "version": version}
    return dict(sorted(found.items()))


def loaded(url: str, statement: Any, before: Versions, batches: list[Versions]) -> Any:
    """Return what is in the table after some batches went through a learner's statement."""
    databases.run(url, "TRUNCATE sales", [()])
    databases.run(url, "INSERT INTO sales VALUES (%s, %s, %s)", before)
    for batch in batches:
        databases.run(url, "TRUNCATE staging", [()])
        databases.run(url, "INSERT INTO staging VALUES (%s, %s, %s)", batch)
        if error := tell(url, statement):
            return error
    found = databases.rows(url, "SELECT purchase, amount, version FROM sales LIMIT 1000")
    numbers = Counter(row["purchase"] for row in found)
    if twice := [number for number, times in numbers.items() if times > 1]:
        return f"purchases that are there twice: {twice}"
    return {r["purchase"]: {"amount": r["amount"], "version": r["version"]} for r in found}


def tell(url: str, statement: Any) -> Raised | None:
    """Run a learner's statement; return why it could not be run, if so."""
    if not isinstance(statement, str):
        return statement if isinstance(statement, Raised) else Raised(f"{statement!r} is no text")
    try:
        databases.run(url, statement, [()], SECONDS_FOR_SQL)
    except (psycopg.Error, UnicodeError) as error:
        return Raised(f"{type(error).__name__}: {str(error).splitlines()[0]}")
    return None


def upsert_complaint(found: Any) -> int:
    """Return the hint for an error of Postgres, or for what looks like none of the mistakes."""
    if isinstance(found, Raised):
        return {"UniqueViolation": 2, "CardinalityViolation": 5}.get(found.error.split(":")[0], 1)
    return 2 if isinstance(found, str) else 6


# %% incremental

OVERLAP = 30
SHOP_UPDATES = """
CREATE TABLE purchases (
    purchase bigint PRIMARY KEY, store int NOT NULL, amount numeric(10, 2) NOT NULL,
    updated_at timestamptz NOT NULL);
"""
SALES = """
CREATE TABLE sales (
    purchase bigint PRIMARY KEY, store int NOT NULL, amount numeric(10, 2) NOT NULL,
    updated_at timestamptz NOT NULL);
CREATE TABLE checkpoint (updated_at timestamptz NOT NULL, purchase bigint NOT NULL);

CREATE SEQUENCE written;
CREATE TABLE again (purchase bigint);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF nextval('written') > 2000 THEN
        RAISE 'the same rows are loaded without end, purchase % among them', NEW.purchase;
    END IF;
    IF NEW.updated_at < '{oldest}' THEN INSERT INTO again VALUES (NEW.purchase); END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER noted BEFORE INSERT OR UPDATE ON sales FOR EACH ROW EXECUTE FUNCTION note();
"""
"""The tables, and what notes who writes rows from before the overlap, or the same without end."""

NEW_ROWS = "every new row is there"
CORRECTED = "every correction is there"
TIED = "every row of a bulk update is there"
LATE_ROWS = "rows that were committed late are there"
OLD_ROWS = "rows from before the overlap are left alone"
MARK = "the checkpoint is the newest row that was loaded"


@exercise(
    title="The incremental load",
    points=25,
    hints=[
        "*Duplicate key*: a row came again, as it does after a crash and in an overlap; upsert it. *Without end*: `>=` gives the last rows again and again; compare time and purchase together.",
        "Killed in between, a batch is lost: its checkpoint was saved before it.",
        "A row that is in `sales` already has changed in the shop. ON CONFLICT DO NOTHING keeps the old one.",
        "Many rows share one time, more than fit into a batch. `>` on the time alone leaves the rest behind: compare (updated_at, purchase).",
        "Some rows have an older time than the checkpoint, for they were committed after it. Begin OVERLAP_MINUTES before the checkpoint.",
        "Begin at the checkpoint less the overlap: everything older is loaded already, and is a full load's business.",
        "The checkpoint is a time out of the table: that of the last row of the batch. The machine's clock knows nothing of what was read.",
        "New rows are missing. Go on until a batch is empty, and compare with the checkpoint's time, not with the machine's.",
    ],
)
def incremental(answer: Worker, case: Case) -> Expectations:
    story = Story(case.rng)
    shop = case.database(SHOP_UPDATES)
    databases.run(shop, "INSERT INTO purchases VALUES (%s, %s, %s, %s)", story.shop())

    def prepare() -> tuple[dict[str, str], Callable[[], Mapping[str, list[Any]]]]:
        warehouse = case.database(SALES.format(oldest=story.mark - OVERLAP * MINUTE))
        databases.run(warehouse, "INSERT INTO sales VALUES (%s, %s, %s, %s)", story.loaded)
        at = (story.mark, story.loaded[-1][0])
        databases.run(warehouse, "INSERT INTO checkpoint VALUES (%s, %s)", [at])
        databases.run(warehouse, "TRUNCATE again", [()])
        env = {"SHOP_URL": shop, "WAREHOUSE_URL": warehouse, "BATCH": "12"}
        return env | {"OVERLAP_MINUTES": str(OVERLAP)}, lambda: story.judge(warehouse)

    def or_lost(hint: int) -> Callable[[Trial], int]:
        return lambda trial: 2 if trial.point else hint

    hints: dict[str, Hint] = {
        NEW_ROWS: or_lost(8),
        CORRECTED: or_lost(3),
        TIED: or_lost(4),
        LATE_ROWS: or_lost(5),
        OLD_ROWS: 6,
        MARK: 7,
    }
    yield from survives(answer, case, prepare, hints)


class Story:
    """What was loaded last night, and what has happened in the shop since.

    Attributes:
        mark: the time of the newest row that was loaded.
        loaded: the rows that were loaded, in the order of their update.
        changes: by property, the rows that the next load must bring.
    """

    def __init__(self, rng: random.Random) -> None:
        rows = draw(rng, 90)
        self.mark = rows[0]["sold_at"] + timedelta(hours=3)
        values = [(row["store"], row["amount"]) for row in rows]
        first = rng.randrange(10_000, 50_000)
        numbers = [first + 3 * n for n in rng.sample(range(90), 90)]
        all_rows = [(number, *value) for number, value in zip(numbers, values, strict=True)]
        begin = self.mark - OVERLAP * MINUTE
        self.loaded = [
            *timed(all_rows[:24], begin - 120 * MINUTE, 4 * MINUTE),
            *timed(all_rows[24:29], begin + 2 * MINUTE, 5 * MINUTE),
            (*all_rows[29], self.mark),
        ]
        noon, dearer = self.mark + 47 * MINUTE, Decimal(1)
        corrected = [(number, store, amount + dearer) for number, store, amount in all_rows[:6]]
        self.changes = {
            LATE_ROWS: timed(all_rows[30:36], begin + MINUTE, 4 * MINUTE),
            NEW_ROWS: timed(all_rows[36:54], self.mark + MINUTE, 2 * MINUTE),
            TIED: [(*row, noon) for row in all_rows[54:84]],
            CORRECTED: timed(corrected, self.mark + 50 * MINUTE, MINUTE),
        }

    def shop(self) -> list[tuple[Any, ...]]:
        """Return the shop's table as it is now."""
        changed = [row for rows in self.changes.values() for row in rows]
        return list({row[0]: row for row in [*self.loaded, *changed]}.values())

    def judge(self, warehouse: str) -> Mapping[str, list[Any]]:
        """Say what the warehouse lacks."""
        query = "SELECT purchase, store, amount, updated_at FROM sales LIMIT 10000"
        found = {tuple(row.values()) for row in databases.rows(warehouse, query)}
        again = databases.rows(warehouse, "SELECT DISTINCT purchase FROM again ORDER BY purchase")
        marks = databases.rows(warehouse, "SELECT updated_at FROM checkpoint LIMIT 10")
        newest_time = max(row[3] for row in self.changes[CORRECTED])
        return {
            name: [row[0] for row in rows if row not in found]
            for name, rows in self.changes.items()
        } | {
            OLD_ROWS: [row["purchase"] for row in again],
            MARK: [
                f"{row['updated_at']:%Y-%m-%d %H:%M} instead of {newest_time:%Y-%m-%d %H:%M}"
                for row in marks
                if row["updated_at"] != newest_time
            ],
        }


def timed(rows: list[Any], begin: datetime, step: timedelta) -> list[tuple[Any, ...]]:
    """Return rows with a time each, a step after the one before."""
    return [(*row, begin + n * step) for n, row in enumerate(rows)]


# %% apply_changes

PLAIN, DELETES = "inserts and updates", "deletions"
SEVERAL, STALE = "several changes of one row, in any order", "a change older than the table"


@exercise(
    title="Apply a delta: inserts, updates, deletions",
    points=15,
    hints=[
        "Of all that is known of a purchase, only the newest version counts; if that is a deletion, the row goes.",
        "A deletion is a change like any other: the row must leave the table.",
        "Changes arrive in any order. Go by the version, not by the place in the list.",
        "The table's own row may be newer than a change that comes late. Let it take part in the comparison.",
        "A row that came again must take the old one's place, not stand beside it.",
        "A deletion has a version too: an older change must not bring the row back, and a newer one must.",
    ],
)
def apply_changes(answer: Function, case: Case) -> Expectations:
    names = [PLAIN, DELETES, SEVERAL, STALE] * 3
    stories = [changes_for(name, case.rng) for name in names]
    calls = [
        (table_of(rows, ["purchase", "amount", "version"]), table_of(changes, CHANGE))
        for rows, changes in stories
    ]
    for name, (rows, changes), found in zip(names, stories, answer.map(calls), strict=True):
        yield expect(
            name,
            in_table(found),
            equals=applied(rows, changes),
            given={"changes": changes[:4]},
            mistakes=wrong_tables(rows, changes, in_table(found)),
        )


CHANGE = ["op", "purchase", "amount", "version"]


def table_of(rows: Rows, columns: list[str]) -> pd.DataFrame:
    """Return rows as a DataFrame whose amounts are Decimals."""
    frame = pd.DataFrame(
        [{name: row.get(name) for name in columns} for row in rows], columns=columns
    )
    return frame.astype({"purchase": "int64", "version": "int64", "amount": "object"})


def changes_for(name: str, rng: random.Random) -> tuple[Rows, Rows]:
    """Return a table, and changes of the kind that a name tells of."""
    drawn = draw(rng, 24)
    first = rng.randrange(1000, 9000)
    rows = [
        {"purchase": first + n, "amount": r["amount"], "version": 3} for n, r in enumerate(drawn)
    ]
    table, new = rows[:16], rows[16:]
    changes = [{**row, "op": "insert", "version": 1} for row in new]
    changes += [
        {**row, "op": "update", "amount": row["amount"] + 1, "version": 4} for row in table[:5]
    ]
    gone = [{**row, "op": "delete", "amount": None, "version": 5} for row in table[3:8]]
    if name == SEVERAL:
        changes += [
            {**row, "op": "update", "amount": row["amount"] + 2, "version": 2} for row in new
        ]
        changes += [
            {**row, "op": "insert", "amount": row["amount"] + 3, "version": 6} for row in table[2:4]
        ]
    if name == STALE:
        changes += [
            {**row, "op": "update", "amount": row["amount"] + 9, "version": 2} for row in table[9:]
        ]
    if name in (DELETES, SEVERAL):
        changes += gone
    rng.shuffle(changes)
    return table, changes


def applied(
    rows: Rows, changes: Rows, newer: Callable[[dict[str, Any], dict[str, Any]], bool] | None = None
) -> list[Any]:
    """Return the table after the changes; ``newer`` tells which of two wins, the second if true."""
    wins = newer or (lambda old, new: new["version"] > old["version"])
    found: dict[int, dict[str, Any]] = {}
    for row in [*rows, *changes]:
        old = found.get(row["purchase"])
        if old is None or wins(old, row):
            found[row["purchase"]] = row
    return listed(row for row in found.values() if row.get("op") != "delete")


def listed(rows: Iterable[Mapping[str, Any]]) -> list[Any]:
    return sorted(([r["purchase"], r["amount"], r["version"]] for r in rows), key=str)


def wrong_tables(rows: Rows, changes: Rows, found: Any) -> dict[int, Any]:
    kept = [c for c in changes if c["op"] != "delete"]
    gone = {c["purchase"] for c in changes if c["op"] == "delete"}
    last_of = {c["purchase"]: c for c in sorted(changes, key=lambda c: c["version"])}
    back = applied([r for r in rows if r["purchase"] not in gone], kept)
    for_ever = [row for row in applied(rows, changes) if row[0] not in gone]
    mistakes = {
        2: applied(rows, kept),
        3: applied(rows, changes, lambda old, new: True),
        4: applied([r for r in rows if r["purchase"] not in last_of], list(last_of.values())),
        5: listed([*rows, *kept]),
        6: found if found in (back, for_ever) else None,
    }
    untold = ([] if gone else [2, 6]) + ([] if len(last_of) < len(changes) else [3])
    return {number: table for number, table in mistakes.items() if number not in untold}


def in_table(found: Any) -> Any:
    """Return a table's rows in the order of their purchase; what is none stands for itself."""
    columns = {"purchase", "amount", "version"}
    if not isinstance(found, pd.DataFrame) or not columns <= set(found.columns):
        return keys(found, "purchase, amount and version")
    cells = found[["purchase", "amount", "version"]].itertuples(index=False)
    rows = [[plain(value) for value in row] for row in cells]
    whole = [
        [int(v) if isinstance(v, float) and v.is_integer() else v for v in row] for row in rows
    ]
    return sorted(whole, key=str)


# %% daily_sales

SPARK_SALES = "op string, purchase long, sold_at timestamp, amount decimal(10,2), version int"


@exercise(
    title="Daily sales from a log of versions, with Spark",
    points=15,
    hints=[
        "Union both, number the versions of each purchase by a window function (newest first), keep number 1, then group by day.",
        "A purchase with several versions was counted several times.",
        "The newest version of some purchases is a deletion. They are no sales any more.",
        "The session's time zone is UTC. The shop's day is that of America/New_York: from_utc_timestamp(sold_at, ...).",
        "Sums of double are not exact, and a cast to double loses the type. amount is a decimal: leave it one.",
        "The second source, the changes since, must be in it too.",
        "Throw deletions away only *after* the newest version is found, or an older version takes their place.",
    ],
)
def daily_sales(answer: Plan, case: Case) -> Expectations:
    history, changes = sales_log(case.rng)
    spark = case.world.spark()
    sources = [
        plans.to_message(spark.createDataFrame([tuple(row.values()) for row in rows], SPARK_SALES))
        for rows in (history, changes)
    ]
    message = answer.relation(sources)
    found = message if isinstance(message, Raised) else collected(message, spark)
    yield expect(
        "the query runs", found if isinstance(found, Raised) else "yes", equals="yes", given="Spark"
    )
    yield expect(
        "purchases and amount of each day",
        sales_rows(found),
        equals=by_day(latest([*history, *changes])),
        given="day: purchases and amount",
        within=0.001,
        mistakes=wrong_sales(history, changes, sales_rows(found)),
    )


def wrong_sales(history: Rows, changes: Rows, found: Any) -> dict[int, Any]:
    both = [*history, *changes]
    kept = [row for row in both if row["op"] != "delete"]
    right, every = by_day(latest(both)), [by_day(both, gone=True), by_day(kept)]
    return {
        2: every[found == every[1]],
        3: by_day(latest(both), gone=True),
        4: by_day(latest(both), zone=UTC),
        5: {day: [number, float(amount)] for day, (number, amount) in right.items()},
        6: by_day(latest(history)),
        7: by_day(latest(kept)),
    }


def sales_log(rng: random.Random) -> tuple[Rows, Rows]:
    """Return versions of purchases over three days, and the changes that came since."""
    history = [
        {
            "op": "insert",
            "purchase": n,
            "sold_at": row["sold_at"],
            "amount": row["amount"],
            "version": 1,
        }
        for n, row in enumerate(draw(rng, 80, days=3), start=rng.randrange(1000, 9000))
    ]
    first, since = history[:60], history[60:]
    first += [
        {**row, "op": "update", "amount": row["amount"] + 1, "version": 2}
        for row in rng.sample(first[:30], 8)
    ]
    changed = rng.sample(first[:60], 24)
    since += [{**row, "op": "update", "amount": row["amount"] + 2, "version": 3} for row in changed]
    since += [{**row, "op": "delete", "version": 4} for row in changed[:6]]
    since += [{**row, "op": "delete", "version": 5} for row in rng.sample(first[30:60], 6)]
    return rng.sample(first, len(first)), rng.sample(since, len(since))


def latest(rows: Rows) -> Rows:
    """Return the newest version of each purchase."""
    return list({row["purchase"]: row for row in sorted(rows, key=lambda r: r["version"])}.values())


def by_day(rows: Rows, *, zone: tzinfo = NEW_YORK, gone: bool = False) -> dict[str, list[Any]]:
    """Return the number and the sum of purchases for each day; ``gone`` counts deleted ones too."""
    dated = [
        {"day": row["sold_at"].astimezone(zone).date(), "amount": row["amount"]}
        for row in rows
        if gone or row["op"] != "delete"
    ]
    return {str(day): [number, amount] for day, (number, amount) in totals(dated).items()}


def collected(message: bytes, spark: Any) -> Rows | Raised:
    """Return the rows of a learner's query, or Spark's error."""
    try:
        return [row.asDict() for row in plans.to_frame(message, spark).limit(1000).collect()]
    except PySparkException as error:
        return Raised(plans.first_line(error))


def sales_rows(found: Rows | Raised) -> Any:
    if isinstance(found, Raised):
        return found
    if not all({"day", "purchases", "amount"} <= set(row) for row in found):
        return f"rows with the columns {', '.join(found[0])}"
    return {str(row["day"])[:10]: [row["purchases"], row["amount"]] for row in found}


# %% with_rejects

LANDING = """
CREATE TABLE stores (store int PRIMARY KEY);
CREATE TABLE landing (number bigint PRIMARY KEY, line text NOT NULL);
CREATE TABLE sales (
    purchase bigint PRIMARY KEY,
    store int NOT NULL REFERENCES stores,
    amount numeric(8, 2) NOT NULL CHECK (amount >= 0));
CREATE TABLE rejects (number bigint NOT NULL, line text NOT NULL, reason text NOT NULL);
CREATE TABLE checkpoint (number bigint NOT NULL);
INSERT INTO checkpoint VALUES (0);
"""


@exercise(
    title="Partial failure: a rejects table",
    points=20,
    hints=[
        "Look at its error: after a statement that fails, Postgres refuses all others of the transaction. A transaction within (`with db.transaction()` once more) is a savepoint: only that is undone.",
        "One bad line must not take the good ones of its batch with it. Try each line by itself.",
        "Every bad line belongs into `rejects` with its reason: that which cannot be parsed, and that which the database refuses.",
        "After a crash the batch comes again. Rejects, sales and checkpoint must be committed together, or lines are rejected twice.",
        "A good line was rejected. Reject the line that fails, not its whole batch.",
        "Killed in between, lines are lost: the checkpoint was saved before its batch.",
    ],
)
def with_rejects(answer: Worker, case: Case) -> Expectations:
    rows = draw(case.rng, 48, days=2)
    stores = sorted({row["store"] for row in rows})
    good, bad = landing(rows, case.rng)
    lines = [[n, line] for n, line in sorted((good | bad).items())]

    def prepare() -> tuple[dict[str, str], Callable[[], Mapping[str, list[Any]]]]:
        warehouse = case.database(LANDING)
        databases.run(warehouse, "INSERT INTO stores VALUES (%s)", [[store] for store in stores])
        databases.run(warehouse, "INSERT INTO landing VALUES (%s, %s)", lines)
        env = {"WAREHOUSE_URL": warehouse, "BATCH": "15"}
        return env, lambda: judge_rejects(good, bad, warehouse)

    hints: dict[str, Hint] = {
        "every good line is loaded": lambda trial: 6 if trial.point else 2,
        "every bad line is in rejects, with a reason": lambda trial: 6 if trial.point else 3,
        "no good line is in rejects": 5,
        "no line is rejected twice": 4,
    }
    yield from survives(answer, case, prepare, hints)


def landing(rows: Rows, rng: random.Random) -> tuple[dict[int, str], dict[int, str]]:
    """Return lines by number, good ones and bad ones."""
    sales = [
        {"purchase": 7000 + n, "store": r["store"], "amount": str(r["amount"])}
        for n, r in enumerate(rows)
    ]
    numbers = range(1, len(sales) + 1)
    spoiled = rng.sample(numbers, 2 * len(SPOIL))
    kinds = dict(zip(spoiled, SPOIL * 2, strict=True))
    lines = {n: json.dumps(sale) for n, sale in zip(numbers, sales, strict=True)}
    good = {n: line for n, line in lines.items() if n not in kinds}
    return good, {n: kind(json.loads(lines[n])) for n, kind in kinds.items()}


SPOIL: list[Callable[[dict[str, Any]], str]] = [
    lambda sale: json.dumps(sale)[:-9],
    lambda sale: json.dumps({**sale, "amount": "n/a"}),
    lambda sale: json.dumps({**sale, "purchase": None}),
    lambda sale: json.dumps({"purchase": sale["purchase"], "amount": sale["amount"]}),
    lambda sale: json.dumps({**sale, "amount": f"-{sale['amount']}1"}),
    lambda sale: json.dumps({**sale, "store": 99_999}),
]
"""How a line goes bad: cut off, no number, no key, a field missing, against a rule, no such store."""


def judge_rejects(
    good: dict[int, str], bad: dict[int, str], warehouse: str
) -> Mapping[str, list[Any]]:
    sales = {
        row["purchase"]
        for row in databases.rows(warehouse, "SELECT purchase FROM sales LIMIT 10000")
    }
    rejects = databases.rows(
        warehouse, "SELECT number, reason FROM rejects ORDER BY number LIMIT 10000"
    )
    told = {row["number"] for row in rejects if row["reason"].strip()}
    times = Counter(row["number"] for row in rejects)
    return {
        "every good line is loaded": [
            n for n, line in good.items() if json.loads(line)["purchase"] not in sales
        ],
        "every bad line is in rejects, with a reason": [
            f"{n}: {line}" for n, line in sorted(bad.items()) if n not in told
        ],
        "no good line is in rejects": [n for n in times if n in good],
        "no line is rejected twice": [n for n, seen in times.items() if seen > 1],
    }


# %% quality

SCORE, BROKEN = "the score", "how many rows break the rules of each column"
COLUMNS = ["purchase", "store", "quantity", "amount"]


@exercise(
    title="Declare rules, and give a score",
    points=15,
    hints=[
        "validate(sales, lazy=True) collects every failure; SchemaErrors.failure_cases has a line for each, with column and index.",
        "The score is a share of rows, not of rules: one bad row of a hundred is 0.99.",
        "A row that breaks two rules is one bad row. Count distinct rows, not failure cases.",
        "A missing value satisfies no rule. pandera skips it in its checks: say nullable=False (the default).",
        "Without lazy=True the first failure ends the validation, and the others are never seen.",
        "If two rows share a number, both are under suspicion: unique=True reports all of them.",
    ],
)
def quality(answer: Function, case: Case) -> Expectations:
    tables = [dirty(case.rng, share) for share in (0.0, 0.05, 0.2, 0.4)]
    calls = [(frame, stores) for frame, stores in tables]
    for (frame, stores), found in zip(calls, answer.map(calls), strict=True):
        cells = failing(frame, stores)
        given = {"rows": len(frame), "bad rows": sorted({row for row, _ in cells})[:8]}
        yield expect(
            SCORE if cells else "the score of a table without a fault",
            part(found, "score"),
            equals=score(cells, frame),
            given=given,
            within=1e-6,
            mistakes=wrong_scores(frame, stores),
        )
        yield expect(
            BROKEN,
            part(found, "broken"),
            equals=per_column(cells),
            given=given,
            mistakes=wrong_counts(frame, stores),
        )


def dirty(rng: random.Random, share: float) -> tuple[pd.DataFrame, list[int]]:
    """Return purchases of which about this share is spoiled, some in two ways, and the stores."""
    rows = draw(rng, 80, days=2)
    stores = sorted({row["store"] for row in rows})
    cells = {
        "purchase": [float(n) for n in range(500, 580)],
        "store": [float(row["store"]) for row in rows],
        "quantity": [float(rng.randrange(1, 9)) for _ in rows],
        "amount": [float(row["amount"]) for row in rows],
    }
    spoiled = rng.sample(range(1, 80), int(share * 80))
    for turn, number in enumerate(spoiled):
        for name, value in SPOILED[turn % len(SPOILED)].items():
            cells[name][number] = cells[name][number - 1] if value == "twice" else value
    return pd.DataFrame(cells), stores


SPOILED: list[dict[str, Any]] = [
    {"quantity": None},
    {"quantity": 0.0, "amount": -3.5},
    {"purchase": "twice"},
    {"amount": None, "store": 99_999.0},
    {"purchase": None},
    {"store": None},
    {"amount": 1200.0, "quantity": 144.0},
]


def failing(
    frame: pd.DataFrame, stores: list[int], *, missing: bool = True, every: bool = True
) -> set[tuple[int, str]]:
    """Return which cells break a rule, as (row, column).

    ``missing`` false lets missing values pass; ``every`` false spares the first of two equal keys.
    """
    ranges = {
        "quantity": frame["quantity"].between(1, 100),
        "amount": frame["amount"].between(0, 500),
    }
    copies = frame["purchase"].duplicated(keep=False if every else "first")
    fits = ranges | {"store": frame["store"].isin(stores), "purchase": ~copies}
    found = set()
    for name in COLUMNS:
        bad = frame[name].isna() if missing else pd.Series(False, index=frame.index)
        bad |= frame[name].notna() & ~fits[name]
        found |= {(int(row), name) for row in frame.index[bad]}
    return found


def score(cells: set[tuple[int, str]], frame: pd.DataFrame) -> float:
    return 1 - len({row for row, _ in cells}) / len(frame)


def per_column(cells: set[tuple[int, str]]) -> dict[str, int]:
    found = Counter(name for _, name in cells)
    return {name: found[name] for name in COLUMNS}


def wrong_scores(frame: pd.DataFrame, stores: list[int]) -> dict[int, Any]:
    cells = failing(frame, stores)
    first = next((name for name in COLUMNS if per_column(cells)[name]), "")
    return {
        2: 1 - sum(count > 0 for count in per_column(cells).values()) / len(COLUMNS),
        3: 1 - len(cells) / len(frame),
        4: score(failing(frame, stores, missing=False), frame),
        5: score({cell for cell in cells if cell[1] == first}, frame),
        6: score(failing(frame, stores, every=False), frame),
    }


def wrong_counts(frame: pd.DataFrame, stores: list[int]) -> dict[int, Any]:
    return {
        4: per_column(failing(frame, stores, missing=False)),
        6: per_column(failing(frame, stores, every=False)),
    }


def part(found: Any, name: str) -> Any:
    """Return one entry of a dict; what is none, or lacks it, stands for itself."""
    if isinstance(found, dict):
        return found.get(name, f"no {name}")
    return found if isinstance(found, Raised) else f"no dict: {found!r:.60}"


# %% daily_files

SHOP_SALES = """
CREATE TABLE purchases (
    purchase bigint PRIMARY KEY, store int NOT NULL, amount numeric(10, 2) NOT NULL,
    sold_at timestamptz NOT NULL);
"""
LOADS = "CREATE TABLE loads (day date PRIMARY KEY, purchases bigint NOT NULL);"
FILES, FILE_BYTES, FILE_ROWS = 60, 1_000_000, 2_000
"""How much of a worker's folder is read."""

LACKS, TWICE = "no purchase is missing", "no purchase is there twice"
OWN_DAY = "each purchase is in its own day"
TYPES = "money is decimal, and a time knows its zone"
REGISTERED = "every day is registered"
RERUN, OTHERS = "a day that is run again shows what has changed", "the other days stay as they were"


@exercise(
    title="Daily files, and a past day run again",
    points=25,
    hints=[
        "For each day that is not in `loads`: extract it, write its partition, then register it. Read the error, if there is one.",
        "A day was registered before its file was there. Killed in between, it is never written.",
        "A file with a new name for each run stands beside the old one, and every reader counts both. Replace what the partition holds.",
        "The day is the shop's, in New York. In UTC an evening's sales belong to the next day.",
        "Keep the types of the database: numeric is decimal128 in Parquet, timestamptz is a timestamp with a zone. A float, or a time without its zone, has lost something.",
        "Replace the partition of the day that is loaded, and no other.",
        "A partition must hold what the shop says now, no more: rows that the shop has removed go too.",
    ],
)
def daily_files(answer: Worker, case: Case) -> Expectations:
    rows = draw(case.rng, 60, days=3)
    days = sorted({row["day"] for row in rows})
    shop = shop_of(case, rows)

    def prepare() -> tuple[dict[str, str], Callable[[], Mapping[str, list[Any]]]]:
        warehouse = case.database(LOADS)
        env = {"SHOP_URL": shop, "WAREHOUSE_URL": warehouse, "DAYS": ",".join(map(str, days))}
        return env, lambda: {REGISTERED: unregistered(days, warehouse)}

    hints: dict[str, Hint] = {
        LACKS: lambda trial: 2 if trial.point else 6,
        TWICE: 3,
        OWN_DAY: 4,
        TYPES: 5,
        REGISTERED: 1,
    }
    yield from survives(
        answer, case, prepare, hints, files=lambda folder: judge_files(rows, folder)
    )
    yield from run_again(answer, case, rows)


def shop_of(case: Case, rows: Rows) -> str:
    url = case.database(SHOP_SALES)
    values = [[row["purchase"], row["store"], row["amount"], row["sold_at"]] for row in rows]
    databases.run(url, "INSERT INTO purchases VALUES (%s, %s, %s, %s)", values)
    return url


def unregistered(days: list[date], warehouse: str) -> list[str]:
    known = {row["day"] for row in databases.rows(warehouse, "SELECT day FROM loads LIMIT 1000")}
    return [str(day) for day in days if day not in known]


def run_again(answer: Worker, case: Case, rows: Rows) -> Expectations:
    """Load three days; then the shop changes the middle one, and that is asked for again."""
    days = sorted({row["day"] for row in rows})
    shop, warehouse = shop_of(case, rows), case.database(LOADS)
    env = {"SHOP_URL": shop, "WAREHOUSE_URL": warehouse, "DAYS": ",".join(map(str, days))}
    with answer.workspace() as here:
        finish(here.start(env), SECONDS)
        due = change(shop, rows, days[1])
        databases.run(warehouse, "DELETE FROM loads WHERE day = %s", [[days[1]]])
        run = finish(here.start(env | {"DAYS": str(days[1])}), SECONDS)
        found, unreadable = parquet(here.folder)
    lacking = Counter(paid(due)) - Counter(of_files(found))
    surplus = Counter(of_files(found)) - Counter(paid(due))
    has_day = days[1] in {row["folder"] for row in found}
    for name, seen, day, hint in (
        (f"{RERUN}: nothing is missing or out of date", lacking, days[1], 7 if has_day else 6),
        (f"{RERUN}: nothing old is left", surplus, days[1], 3),
        (OTHERS, lacking, days[0], 6),
        (OTHERS, lacking, days[2], 6),
    ):
        wrong = sorted(f"{number} of {amount}" for number, at, amount in seen if at == day)
        given = run.errors[-350:] or unreadable or f"purchases of {day}"
        yield expect(name, wrong, equals=[], given=given, hint=hint)


def change(shop: str, rows: Rows, day: date) -> Rows:
    """Let the shop remove three purchases of a day and correct three others; return what is left."""
    today = [row for row in rows if row["day"] == day]
    gone, dearer = today[:3], today[3:6]
    for statement, changed in (
        ("DELETE FROM purchases WHERE purchase = %s", gone),
        ("UPDATE purchases SET amount = amount + 1 WHERE purchase = %s", dearer),
    ):
        databases.run(shop, statement, [[row["purchase"]] for row in changed])
    return [{**row, "amount": row["amount"] + (row in dearer)} for row in rows if row not in gone]


def paid(rows: Rows, day: date | None = None) -> list[tuple[int, date, Decimal]]:
    return [(r["purchase"], r["day"], r["amount"]) for r in rows if day in (None, r["day"])]


def of_files(found: Rows) -> list[tuple[Any, ...]]:
    """Return purchase, folder's day and amount to the cent of what is in the files."""
    return [(row["purchase"], row["folder"], cents(row["amount"])) for row in found]


def cents(value: Any) -> Any:
    is_number = isinstance(value, int | float | Decimal) and -1_000_000 < value < 1_000_000
    return Decimal(value).quantize(CENT) if is_number else str(value)


def judge_files(rows: Rows, folder: Path) -> Mapping[str, list[Any]]:
    """Say what is wrong with the files that a worker has left."""
    found, unreadable = parquet(folder)
    times = Counter(row["purchase"] for row in found)
    days = {row["purchase"]: row["day"] for row in rows}
    strays = [row for row in found if row["folder"] != days.get(row["purchase"])]
    known = {(row["purchase"], row["amount"]) for row in rows}
    has = {(row["purchase"], cents(row["amount"])) for row in found}
    return {
        LACKS: [*unreadable, *sorted(purchase for purchase, _ in known - has)],
        TWICE: [purchase for purchase, seen in times.items() if seen > 1],
        OWN_DAY: [f"{row['purchase']} in day={row['folder']}" for row in strays],
        TYPES: sorted({text for row in found for text in row["types"]}),
    }


def parquet(folder: Path) -> tuple[Rows, list[str]]:
    """Return the rows of all Parquet files below ``sales``, and which files cannot be read.

    Each row has ``purchase``, ``amount``, its ``folder``'s day, and what is wrong with its types.
    """
    rows: Rows = []
    unreadable: list[str] = []
    for path in files_in(folder / "sales"):
        try:
            rows += file_rows(table_of_file(path), path)
        except (pa.ArrowException, ValueError, KeyError, OSError, OverflowError) as error:
            name = ascii(str(path.relative_to(folder)))
            unreadable.append(f"{name}: {type(error).__name__}: {str(error)[:80]}")
    return rows, unreadable


def table_of_file(path: Path) -> pa.Table:
    """Read a small Parquet file.

    Raises:
        ValueError: it is not small.
    """
    file = pq.ParquetFile(io.BytesIO(content(path)))
    groups = [file.metadata.row_group(n) for n in range(file.metadata.num_row_groups)]
    if file.metadata.num_rows > FILE_ROWS or sum(g.total_byte_size for g in groups) > FILE_BYTES:
        raise ValueError("it is too large")
    return file.read(["purchase", "amount", "sold_at"])


def files_in(folder: Path) -> list[Path]:
    """Return Parquet files, as readers of a data set see them: no link, nothing hidden."""
    found: list[Path] = []
    for here, folders, names in [] if folder.is_symlink() else os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith(("_", ".")))[:FILES]
        files = [Path(here, name) for name in sorted(names) if name.endswith(".parquet")]
        found += [path for path in files if not path.name.startswith(("_", "."))]
        if len(found) > FILES:
            break
    return found[:FILES]


def content(path: Path) -> bytes:
    """Return the bytes of a file, if it is a small one.

    Raises:
        ValueError: it is none.
    """
    opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(opened, "rb") as file:
        status = os.fstat(opened)
        if not stat.S_ISREG(status.st_mode) or status.st_size > FILE_BYTES:
            raise ValueError("it is no file, or too large")
        return file.read(FILE_BYTES)


def file_rows(table: pa.Table, path: Path) -> Rows:
    """Return a file's rows; a column that is not there is missing in each."""
    shared = {"folder": day_of(path), "types": wrong_types(table.schema)}
    return [
        {"purchase": number(row.get("purchase")), "amount": row.get("amount"), **shared}
        for row in table.select(
            [name for name in ("purchase", "amount") if name in table.column_names]
        ).to_pylist()
    ]


def number(value: Any) -> int | str:
    """Return a purchase's number; anything else is described."""
    return value if isinstance(value, int) else f"{value!r:.60}"


def wrong_types(schema: pa.Schema) -> list[str]:
    kinds = {field.name: field.type for field in schema}
    amount, sold_at = kinds.get("amount"), kinds.get("sold_at")
    wrong = []
    if amount is None or not pa.types.is_decimal(amount):
        wrong.append(f"amount is {amount}")
    if sold_at is None or not pa.types.is_timestamp(sold_at) or sold_at.tz is None:
        wrong.append(f"sold_at is {sold_at}")
    return wrong


def day_of(path: Path) -> date | None:
    """Return the day that the name of a file's folder tells, as ``day=2017-03-01``."""
    try:
        return date.fromisoformat(path.parent.name.removeprefix("day="))
    except ValueError:
        return None


# %% reads


def reads_task(rng: random.Random) -> dict[str, Any]:
    """Return this student's table, its log of changes, and last night's mark."""
    rows = draw(rng, 240, days=6)
    mark = rows[-1]["sold_at"] + timedelta(hours=2)
    begun = mark - rng.randrange(2, 5) * DAY
    table = [
        {"purchase": n, "day": str(r["day"]), "updated_at": r["sold_at"]}
        for n, r in enumerate(rows, start=1)
    ]
    old = [{**row, "op": "insert"} for row in table if row["updated_at"] > begun]
    days = rng.sample(sorted({row["day"] for row in table}), 4)
    changed = [row for row in table if row["day"] in days[:2]]
    updates = rng.sample(changed, rng.randrange(10, 15))
    deletes = rng.sample([row for row in table if row["day"] == days[2]], rng.randrange(3, 7))
    repeated = rng.sample(updates, rng.randrange(3, 7))
    new = [
        {"purchase": 241 + n, "day": str(rows[-1]["day"] + DAY)}
        for n in range(rng.randrange(15, 30))
    ]
    log = [{**row, "op": "insert"} for row in new] + [{**row, "op": "update"} for row in updates]
    log += [{**row, "op": "update"} for row in repeated] + [
        {**row, "op": "delete"} for row in deletes
    ]
    log = [{**row, "updated_at": mark + n * MINUTE} for n, row in enumerate(log, start=1)]
    gone = {row["purchase"] for row in deletes}
    now = {
        row["purchase"]: {k: row[k] for k in ("purchase", "day", "updated_at")}
        for row in [*table, *log]
    }
    return {
        "table": pd.DataFrame([row for row in now.values() if row["purchase"] not in gone]),
        "log": pd.DataFrame([*old, *log]),
        "mark": mark,
    }


@exercise(
    title="Full, incremental, delta, partitioned: what does each read?",
    points=10,
    task=reads_task,
    hints=[
        "A dict of four whole numbers: full, incremental, delta and partitioned.",
        "A full load reads the table as it is now.",
        "An incremental load asks the *table* for what is newer than the mark. Each row is there once, and a deleted one not at all.",
        "A delta load reads the *log* behind the mark: every change, each version and each deletion.",
        "A partitioned load reads all rows that the table has for each day in which anything has changed since the mark.",
        "A day in which something was only deleted has changed too. The table does not tell of it; the log does.",
        "Changes from before the mark were loaded last night.",
    ],
)
def reads(answer: Choice, case: Case) -> Expectations:
    task = reads.task_for(answer.student)
    table, log, mark = task["table"], task["log"], task["mark"]
    since, newer = log[log["updated_at"] > mark], table[table["updated_at"] > mark]
    in_days = {
        n: int(table["day"].isin(days).sum())
        for n, days in {1: since["day"], 6: newer["day"], 7: log["day"]}.items()
    }
    due = {
        "full": len(table),
        "incremental": len(newer),
        "delta": len(since),
        "partitioned": in_days[1],
    }
    mistakes = {
        "full": {},
        "incremental": {3: since["purchase"].nunique(), 4: len(since)},
        "delta": {7: len(log), 4: len(newer)},
        "partitioned": {5: len(since), 6: in_days[6], 7: in_days[7]},
    }
    usual = {"full": 2, "incremental": 3, "delta": 4, "partitioned": 5}
    for name, number in due.items():
        yield expect(
            f"rows that a load reads: {name}",
            part(answer.value, name),
            equals=number,
            given=f"{len(table)} rows, {len(log)} changes in the log",
            mistakes=mistakes[name],
            hint=usual[name] if isinstance(answer.value, dict) else 1,
        )
