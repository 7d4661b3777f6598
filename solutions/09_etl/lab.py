# ---
# title: "ETL: loads that can be killed, repeated and trusted"
# chapters: [3, 7, 13]
# questions: [8, 10, 11, 21]
# minutes: 120
# ---

# %% [markdown]
# # ETL: loads that can be killed, repeated and trusted
#
# Every night ekart copies its sales into the warehouse: **extract** from the shop's database, **transform**, **load**. It is the oldest data program there is, and it looks like a loop with a `SELECT` and an `INSERT`.
#
# By the end you will know how such a loop loses sales, counts them twice, moves them into the wrong day, and says nothing. And how to write one that does not.

# %%
import tempfile
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import matplotlib.pyplot as plt
import pandas as pd
import psycopg

from streamgym.checks import databases
from streamgym.data import journey
from streamgym.faults.sweep import Point
from streamgym.lab import Lab
from streamgym.lab.timeline import timeline

lab = Lab("09_etl", student="")  # write your name: it draws your own purchases
postgres = lab.postgres()

# %% [markdown]
# The sales are real ones: purchases of 2,500 households over a year (the data set *Complete Journey*). The shop stands in New York. Times are kept in UTC.

# %%
week = journey.purchases(range(10, 11))
sales = pd.DataFrame(
    {
        "purchase": range(1, len(week) + 1),
        "store": week["store_id"],
        "sold_at": week["time"],
        "amount": week["sales_cents"].map(lambda cents: Decimal(cents).scaleb(-2)),
    }
)
sales.tail()

# %% [markdown]
# ## 1. Transform: three columns that lie
#
# Which day sold the most? Count the same purchases twice: once by the day that UTC had, and once by the day that the clock above the till showed.

# %%
local = sales["sold_at"].dt.tz_convert("America/New_York")
days = {"day in UTC": sales["sold_at"], "day in New York": local}
counts = pd.DataFrame({name: times.dt.date.value_counts() for name, times in days.items()})
counts.index = [f"{day:%d %b}" for day in counts.index]
counts.plot.bar(figsize=(8, 3), rot=0, ylabel="purchases")
plt.show()

# %% [markdown]
# At eight in the evening UTC is already in tomorrow. A report by UTC days disagrees with the till's, every day, and nobody sees it in a single row.
#
# Money lies too. Add up ten cents three times:

# %%
float_sum = sum([0.1, 0.1, 0.1])
print(float_sum, float_sum == 0.3, Decimal("0.10") * 3)

# %% [markdown]
# A binary float has no 0.1, only a number near it. Sums of money then differ in the last place from those of the bookkeepers, and `==` fails. `Decimal` counts in tens, if it was made of *text*.
#
# **Exercise.** `raw` is an export; every column is text, and `discount` is empty where there was none. Return `purchase` and `store` as whole numbers, `sold_at` in UTC, `day` (the shop's, in New York, as text `2017-03-01`), and `amount`: a `Decimal`, price less discount.

# %%
examples = {
    "purchase": ["4711", "4712"],
    "store": ["319", "367"],
    "sold_at": ["2017-03-01T21:15:00-05:00", "2017-07-04T09:30:00-04:00"],
    "price": ["3.49", "1.10"],
    "discount": [None, "0.30"],
}
pd.DataFrame(examples)


# %%
def clean(raw: pd.DataFrame) -> pd.DataFrame:
    # BEGIN SOLUTION
    sold_at = pd.to_datetime(raw["sold_at"], utc=True)
    discount = raw["discount"].fillna("0").map(Decimal)
    return pd.DataFrame(
        {
            "purchase": raw["purchase"].astype("int64"),
            "store": raw["store"].astype("int64"),
            "sold_at": sold_at,
            "day": sold_at.dt.tz_convert("America/New_York").dt.strftime("%Y-%m-%d"),
            "amount": raw["price"].map(Decimal) - discount,
        }
    )
    # END SOLUTION


# %%
lab.check("clean")

# %% [markdown]
# ## 2. Load, and be killed
#
# Here is the loop. It keeps its place in a table called `checkpoint`, so that tomorrow it goes on where it stopped. Each batch adds to the totals of its days, then the checkpoint is saved.

# %%
SHOP = """
CREATE TABLE purchases (purchase bigint PRIMARY KEY, day date NOT NULL, amount numeric(10, 2) NOT NULL);
"""
WAREHOUSE = """
CREATE TABLE daily_totals (day date PRIMARY KEY, purchases bigint NOT NULL, amount numeric NOT NULL);
CREATE TABLE checkpoint (purchase bigint NOT NULL);
INSERT INTO checkpoint VALUES (0);
"""

# %% worker="naive_totals"
import os

import psycopg

BATCH = int(os.environ["BATCH"])
shop = psycopg.connect(os.environ["SHOP_URL"], autocommit=True)
warehouse = psycopg.connect(os.environ["WAREHOUSE_URL"], autocommit=True)


def extract(last: int) -> list[tuple]:
    query = (
        "SELECT purchase, day, amount FROM purchases WHERE purchase > %s ORDER BY purchase LIMIT %s"
    )
    return shop.execute(query, [last, BATCH]).fetchall()


def load(rows: list[tuple]) -> None:
    add = """INSERT INTO daily_totals VALUES (%s, 1, %s) ON CONFLICT (day) DO UPDATE SET
             purchases = daily_totals.purchases + 1, amount = daily_totals.amount + EXCLUDED.amount"""
    with warehouse.transaction():
        warehouse.cursor().executemany(add, [row[1:] for row in rows])


def save(last: int) -> None:
    warehouse.execute("UPDATE checkpoint SET purchase = %s", [last])


(last,) = warehouse.execute("SELECT purchase FROM checkpoint").fetchone()
while rows := extract(last):
    last = rows[-1][0]
    if os.environ["FIRST"] == "checkpoint":
        save(last)
        load(rows)
    else:
        load(rows)
        save(last)

# %% [markdown]
# It is killed by SIGKILL, which no program can catch, when its second batch is in the warehouse, and started again. Read the picture from left to right. Which batch is loaded twice?


# %%
def stage(first: str) -> dict[str, str]:
    shop, warehouse = databases.create(postgres, SHOP), databases.create(postgres, WAREHOUSE)
    rows = [
        [n, date(2017, 3, 1 + n % 2), amount]
        for n, amount in enumerate(sales["amount"][:40], start=1)
    ]
    databases.run(shop, "INSERT INTO purchases VALUES (%s, %s, %s)", rows)
    return {"SHOP_URL": shop, "WAREHOUSE_URL": warehouse, "BATCH": "10", "FIRST": first}


def compare(env: dict[str, str]) -> pd.DataFrame:
    sold = "SELECT day, count(*) AS sold, sum(amount) AS money FROM purchases GROUP BY day ORDER BY day"
    shop = pd.DataFrame(databases.rows(env["SHOP_URL"], sold))
    counted = databases.rows(
        env["WAREHOUSE_URL"], "SELECT day, purchases AS counted, amount FROM daily_totals"
    )
    return shop.merge(pd.DataFrame(counted, columns=["day", "counted", "amount"]), how="left")


env = stage("data")
trial = lab.run("naive_totals", env, crash=Point("after", "COMMIT", 2))
timeline(trial.trace, "load, then save the checkpoint")
compare(env)

# %% [markdown]
# Ten purchases were counted twice. So save the checkpoint first? Guess, then run it.

# %%
env = stage("checkpoint")
trial = lab.run("naive_totals", env, crash=Point("after", "UPDATE", 2))
timeline(trial.trace, "save the checkpoint, then load")
compare(env)

# %% [markdown]
# Now ten are missing, for good: the checkpoint says that they are done. Between two commits there is always a moment.
#
# Here data and checkpoint live in one database, and so they can share a transaction: both happen, or neither.

# %% [markdown]
# **Exercise.** Write the loop. Killed anywhere and started again, it must count every purchase exactly once. The table `checkpoint` has one row, with 0 in the beginning.

# %% worker="daily_totals"
import os

import psycopg

BATCH = int(os.environ["BATCH"])
shop = psycopg.connect(os.environ["SHOP_URL"], autocommit=True)
warehouse = psycopg.connect(os.environ["WAREHOUSE_URL"], autocommit=True)

ADD = """INSERT INTO daily_totals VALUES (%s, 1, %s) ON CONFLICT (day) DO UPDATE SET
         purchases = daily_totals.purchases + 1, amount = daily_totals.amount + EXCLUDED.amount"""
SAVE = "UPDATE checkpoint SET purchase = %s"


def extract(last: int) -> list[tuple]:
    query = (
        "SELECT purchase, day, amount FROM purchases WHERE purchase > %s ORDER BY purchase LIMIT %s"
    )
    return shop.execute(query, [last, BATCH]).fetchall()


(last,) = warehouse.execute("SELECT purchase FROM checkpoint").fetchone()
while rows := extract(last):
    last = rows[-1][0]
    # BEGIN SOLUTION
    with warehouse.transaction():
        warehouse.cursor().executemany(ADD, [row[1:] for row in rows])
        warehouse.execute(SAVE, [last])
    # STARTER raise NotImplementedError("add the rows, and save how far you are")
    # END SOLUTION

# %%
lab.check("daily_totals")

# %% [markdown]
# Adding is not **idempotent**: twice is not as once. That is why the checkpoint had to be exact. Where the load can be made idempotent, such as by an upsert, a batch that comes again does no harm, and the target may even be another system than the checkpoint.

# %% [markdown]
# ## 3. What is new?
#
# Sales change: a price is corrected, a coupon comes in later. So the shop keeps `updated_at`, and the job asks for what is newer than its **watermark**, the newest time that it has loaded. Now a till sends twelve sales in one transaction, and the job takes five at a time:

# %%
UPDATES = """
CREATE TABLE purchases (
    purchase bigint PRIMARY KEY, store int NOT NULL, amount numeric(10, 2) NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now());
"""
shop_url = databases.create(postgres, UPDATES)
rows = [[n, 319, amount] for n, amount in enumerate(sales["amount"][:12], start=1)]
databases.run(shop_url, "INSERT INTO purchases VALUES (%s, %s, %s)", rows)

query = (
    "SELECT purchase, updated_at FROM purchases WHERE updated_at > %s ORDER BY updated_at LIMIT 5"
)
first = databases.rows(shop_url, query, [datetime(2017, 1, 1, tzinfo=UTC)])
second = databases.rows(shop_url, query, [first[-1]["updated_at"]])
print("first batch:", [row["purchase"] for row in first])
print("second batch:", [row["purchase"] for row in second])

# %% [markdown]
# Twelve rows, five loaded, and *nothing* left to do. `now()` is the time at which the transaction *began*, so all twelve share it, and `>` leaves seven behind for ever. A correction of many rows in one `UPDATE` does the same. With `>=` the job would read the same five for ever.
#
# The mark needs a second part that breaks ties: `(updated_at, purchase)`.

# %% [markdown]
# **Exercise.** `rows` has `purchase` and `updated_at`, in no order. The last row that was loaded is (`time`, `purchase`). Return the next `size` rows, in order of time, and of purchase within one time.


# %%
def next_batch(rows: pd.DataFrame, time: datetime, purchase: int, size: int) -> pd.DataFrame:
    # BEGIN SOLUTION
    behind = (rows["updated_at"] == time) & (rows["purchase"] > purchase)
    newer = rows[(rows["updated_at"] > time) | behind]
    return newer.sort_values(["updated_at", "purchase"]).head(size)
    # END SOLUTION


# %%
lab.check("next_batch")

# %% [markdown]
# SQL says the same in one comparison of rows, which an index on both columns serves: `WHERE (updated_at, purchase) > (%s, %s) ORDER BY updated_at, purchase LIMIT %s`.

# %% [markdown]
# ## 4. Upsert
#
# What comes may be there already: it was corrected, or the batch comes again after a crash. So the load must say what happens then. Batches land in `staging` first, with the same columns as `sales`: `purchase` (the key), `amount`, `version`.
#
# **Exercise.** Write one `INSERT ... ON CONFLICT` from `staging` into `sales`. The newest version of each purchase wins, whether it is in the table or in the batch, where a purchase may be several times.

# %%
# BEGIN SOLUTION
upsert = """
INSERT INTO sales (purchase, amount, version)
SELECT DISTINCT ON (purchase) purchase, amount, version
FROM staging ORDER BY purchase, version DESC
ON CONFLICT (purchase) DO UPDATE SET amount = EXCLUDED.amount, version = EXCLUDED.version
WHERE sales.version < EXCLUDED.version
"""
# STARTER upsert = ...  # a text: """INSERT ..."""
# END SOLUTION

# %%
lab.check("upsert")

# %% [markdown]
# ## 5. The row that comes from the past
#
# One trap is left, and it bites the best of watermarks. A slow till begins a transaction. Before it commits, another sale is made, and the job runs. Watch `updated_at`:

# %%
insert = "INSERT INTO purchases VALUES (%s, 367, 4.99)"
with psycopg.connect(shop_url) as slow, psycopg.connect(shop_url) as fast:
    slow.execute(insert, [100])
    fast.execute(insert, [101])
    fast.commit()
    seen = databases.rows(shop_url, "SELECT max(updated_at) AS mark FROM purchases")
    slow.commit()
pd.DataFrame(
    databases.rows(
        shop_url,
        "SELECT purchase, updated_at, updated_at > %s AS found_tomorrow FROM purchases WHERE purchase >= 100",
        [seen[0]["mark"]],
    )
)

# %% [markdown]
# Purchase 100 was not there when the job ran, and tomorrow it is older than the watermark. No night will ever find it. `updated_at` is not the order in which rows become visible.
#
# The cure is an **overlap**: begin each run some time before the watermark, longer than a transaction lasts. Most rows come again; with an upsert that is harmless.

# %% [markdown]
# **Exercise.** Load what has changed in `purchases` into `sales`, at most `BATCH` rows at a time. Begin `OVERLAP_MINUTES` before the checkpoint, and leave what is older alone. Upsert each batch, and save its last row as the checkpoint.

# %% worker="incremental"
import os
from datetime import timedelta

import psycopg

BATCH = int(os.environ["BATCH"])
OVERLAP = timedelta(minutes=int(os.environ["OVERLAP_MINUTES"]))
shop = psycopg.connect(os.environ["SHOP_URL"], autocommit=True)
warehouse = psycopg.connect(os.environ["WAREHOUSE_URL"], autocommit=True)

SAVE = "UPDATE checkpoint SET updated_at = %s, purchase = %s"

time, purchase = warehouse.execute("SELECT updated_at, purchase FROM checkpoint").fetchone()

# BEGIN SOLUTION
EXTRACT = """SELECT purchase, store, amount, updated_at FROM purchases
             WHERE (updated_at, purchase) > (%s, %s) ORDER BY updated_at, purchase LIMIT %s"""
LOAD = """INSERT INTO sales (purchase, store, amount, updated_at) VALUES (%s, %s, %s, %s)
          ON CONFLICT (purchase) DO UPDATE SET store = EXCLUDED.store,
          amount = EXCLUDED.amount, updated_at = EXCLUDED.updated_at"""

time, purchase = time - OVERLAP, 0
while rows := shop.execute(EXTRACT, [time, purchase, BATCH]).fetchall():
    time, purchase = rows[-1][3], rows[-1][0]
    with warehouse.transaction():
        warehouse.cursor().executemany(LOAD, rows)
        warehouse.execute(SAVE, [time, purchase])
# STARTER raise NotImplementedError("extract a batch, upsert it, save the checkpoint; until nothing is new")
# END SOLUTION

# %%
lab.check("incremental")

# %% [markdown]
# How long an overlap? Longer than the longest transaction of the shop, which somebody must promise. A full load now and then shows whether the promise was kept.

# %% [markdown]
# ## 6. What is gone
#
# A purchase is cancelled, and the shop deletes its row. What does tonight's incremental load find?

# %%
mark = databases.rows(shop_url, "SELECT max(updated_at) AS mark FROM purchases")[0]["mark"]
databases.run(shop_url, "DELETE FROM purchases WHERE purchase = %s", [[3]])
databases.rows(shop_url, "SELECT * FROM purchases WHERE updated_at > %s", [mark])

# %% [markdown]
# Nothing. A row that is not there has no `updated_at`, and purchase 3 stays in the warehouse for ever.
#
# A **delta load** reads a log of *changes* instead (from change data capture, lab 16): each with its operation and its version. After a crash or a re-send, in any order.

# %% [markdown]
# **Exercise.** `table` has `purchase`, `amount`, `version`; `changes` has the same and `op`: `insert`, `update` or `delete` (without amount). Return the table after the changes. Of each purchase the newest version counts.


# %%
def apply_changes(table: pd.DataFrame, changes: pd.DataFrame) -> pd.DataFrame:
    # BEGIN SOLUTION
    known = pd.concat([table.assign(op="insert"), changes])
    newest = known.sort_values("version", kind="stable").drop_duplicates("purchase", keep="last")
    return newest.loc[newest["op"] != "delete", ["purchase", "amount", "version"]]
    # END SOLUTION


# %%
lab.check("apply_changes")

# %% [markdown]
# And if the table had a billion rows? Then the same idea runs on Spark, where no one sorts the whole table: a **window function** numbers the versions of each purchase, newest first, and number 1 stays.

# %%
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

spark = lab.spark()
COLUMNS = "op string, purchase long, sold_at timestamp, amount decimal(10,2), version int"
evening = datetime(2017, 3, 2, 1, 30, tzinfo=UTC)
log = [
    ("insert", 1, evening, Decimal("3.49"), 1),
    ("update", 1, evening, Decimal("2.99"), 2),
    ("insert", 2, evening, Decimal("5.00"), 1),
    ("delete", 2, evening, Decimal("5.00"), 2),
]
spark.createDataFrame(log, COLUMNS).groupBy(F.to_date("sold_at").alias("day")).agg(
    F.count("*").alias("purchases"), F.sum("amount").alias("amount")
).toPandas()

# %% [markdown]
# One sale of 2.99, on the first of March. This says four, 16.48, on the second.
#
# **Exercise.** `history` and `changes` have these five columns. Return one row a day with `day` (New York's date), `purchases` and `amount` (a decimal). Only the newest version of each purchase counts, over both, and deleted ones not at all.


# %%
def daily_sales(history: DataFrame, changes: DataFrame) -> DataFrame:
    # BEGIN SOLUTION
    newest_first = Window.partitionBy("purchase").orderBy(F.desc("version"))
    numbered = history.unionByName(changes).withColumn("n", F.row_number().over(newest_first))
    day = F.to_date(F.from_utc_timestamp("sold_at", "America/New_York")).alias("day")
    current = numbered.where("n = 1 AND op <> 'delete'")
    return current.groupBy(day).agg(
        F.count("*").alias("purchases"), F.sum("amount").alias("amount")
    )
    # END SOLUTION


# %%
lab.check("daily_sales")

# %% [markdown]
# ## 7. One bad row
#
# Not all that comes in is good. Five lines, and one of them names a store that does not exist:

# %%
LANDING = """
CREATE TABLE stores (store int PRIMARY KEY);
INSERT INTO stores VALUES (319), (367);
CREATE TABLE sales (
    purchase bigint PRIMARY KEY, store int NOT NULL REFERENCES stores,
    amount numeric(8, 2) NOT NULL CHECK (amount >= 0));
"""
landing_url = databases.create(postgres, LANDING)
lines = [(1, 319, "3.49"), (2, 367, "1.10"), (3, 9999, "2.00"), (4, 319, "0.99"), (5, 367, "7.50")]
try:
    databases.run(landing_url, "INSERT INTO sales VALUES (%s, %s, %s)", lines)
except psycopg.Error as error:
    print(type(error).__name__)
print("loaded:", databases.rows(landing_url, "SELECT * FROM sales"))

# %% [markdown]
# One bad row, and four good ones are lost with it. The opposite, `except: pass`, is worse: the night looks green, and nobody ever hears of row 3.
#
# A **rejects table** keeps what could not be loaded, with its reason, for somebody to mend. The load goes on.

# %% [markdown]
# **Exercise.** `landing` holds lines of JSON, numbered. Put every good one into `sales`, and every bad one into `rejects`, with the reason: what cannot be parsed, and what the database refuses. Each line once, whenever you are killed.
#
# After a failed statement Postgres refuses the rest of the transaction. A `with db.transaction():` *within* another is a **savepoint**: only that part is undone.

# %% worker="with_rejects"
import json
import os
from decimal import Decimal

import psycopg

BATCH = int(os.environ["BATCH"])
db = psycopg.connect(os.environ["WAREHOUSE_URL"], autocommit=True)

TAKE = "SELECT number, line FROM landing WHERE number > %s ORDER BY number LIMIT %s"
SAVE = "UPDATE checkpoint SET number = %s"
REJECT = "INSERT INTO rejects (number, line, reason) VALUES (%s, %s, %s)"


def load(line: str) -> None:
    sale = json.loads(line)
    row = (sale["purchase"], sale["store"], Decimal(sale["amount"]))
    db.execute("INSERT INTO sales VALUES (%s, %s, %s)", row)


(last,) = db.execute("SELECT number FROM checkpoint").fetchone()
while lines := db.execute(TAKE, [last, BATCH]).fetchall():
    last = lines[-1][0]
    # BEGIN SOLUTION
    with db.transaction():
        for number, line in lines:
            try:
                with db.transaction():
                    load(line)
            except (ValueError, LookupError, ArithmeticError, psycopg.Error) as error:
                db.execute(REJECT, [number, line, repr(error)])
        db.execute(SAVE, [last])
    # STARTER raise NotImplementedError("load each line or reject it, then db.execute(SAVE, [last])")
    # END SOLUTION

# %%
lab.check("with_rejects")

# %% [markdown]
# ## 8. How good is it?
#
# A database refuses what breaks a constraint. Much bad data breaks none: a quantity of 0, a price of 1,200 for milk. Such rules are *declared* with a library; pandera's look like a table's schema:

# %%
import pandera.pandas as pa

rules = pa.DataFrameSchema({"quantity": pa.Column(float, pa.Check.in_range(1, 100), nullable=True)})
doubtful = pd.DataFrame({"quantity": [2.0, None, 0.0, 144.0]})
try:
    rules.validate(doubtful, lazy=True)
except pa.errors.SchemaErrors as found:
    print(found.failure_cases[["column", "check", "failure_case", "index"]])

# %% [markdown]
# Look again: four rows, and *three* of them are no good. The missing quantity passed. A comparison with nothing is neither true nor false, here as in SQL (`CHECK` lets NULL through as well), so most rules let it pass unless told.
#
# `lazy=True` collects all failures instead of stopping at the first. `index` is the row.

# %% [markdown]
# **Exercise.** Nothing may be missing. `purchase` is unique (if two share a number, both are bad), `store` is one of `stores`, `quantity` is from 1 to 100, `amount` from 0 to 500. All columns are floats.
#
# Return `{"score": ..., "broken": {...}}`. The score is the share of *rows* that break no rule, between 0 and 1. `broken` says for each of the four columns how many rows break its rules.


# %%
def quality(sales: pd.DataFrame, stores: list[int]) -> dict:
    # BEGIN SOLUTION
    schema = pa.DataFrameSchema(
        {
            "purchase": pa.Column(float, unique=True),
            "store": pa.Column(float, pa.Check.isin(stores)),
            "quantity": pa.Column(float, pa.Check.in_range(1, 100)),
            "amount": pa.Column(float, pa.Check.in_range(0, 500)),
        }
    )
    broken = dict.fromkeys(schema.columns, 0)
    try:
        schema.validate(sales, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases
        broken |= cases.groupby("column")["index"].nunique().to_dict()
        return {"score": 1 - cases["index"].nunique() / len(sales), "broken": broken}
    return {"score": 1.0, "broken": broken}
    # END SOLUTION


# %%
lab.check("quality")

# %% [markdown]
# A load may stop when the score falls below a threshold that its readers have named. And it is a number to *watch*: a slow decline breaks no single rule.

# %% [markdown]
# ## 9. Files by day
#
# Much of a warehouse is files: Parquet, in a folder a day, so that a reader of March opens no file of April. Such folders are **partitions**. Now load the first of March, and once more, since the first run was killed somewhere:

# %%
folder = Path(tempfile.mkdtemp())
march = pd.DataFrame({"purchase": [1, 2, 3], "day": "2017-03-01"})
for _ in range(2):
    march.to_parquet(folder / "appended", partition_cols=["day"])
print(*(folder / "appended").rglob("*.parquet"), sep="\n")
len(pd.read_parquet(folder / "appended"))

# %% [markdown]
# Six rows. Files have no primary key, and pandas gives each file a new name: a re-run appends. So overwrite? Spark does, on request:

# %%
warehouse_dir = spark.conf.get("spark.sql.warehouse.dir")
path = f"{warehouse_dir}/sales-{datetime.now(UTC):%H%M%S%f}"
two_days = spark.sql("SELECT id, if(id < 3, '2017-03-01', '2017-03-02') AS day FROM range(6)")
first_again = two_days.where("day = '2017-03-01'")
two_days.write.partitionBy("day").parquet(path)
first_again.write.partitionBy("day").mode("overwrite").parquet(path)
spark.read.parquet(path).groupBy("day").count().toPandas()

# %% [markdown]
# The second of March is gone! *Overwrite* means the whole data set. What you want is to replace the partitions that you write, and no others; Spark calls it *dynamic*:

# %%
two_days.write.partitionBy("day").mode("overwrite").parquet(path)
writer = first_again.write.partitionBy("day").mode("overwrite")
writer.option("partitionOverwriteMode", "dynamic").parquet(path)
spark.read.parquet(path).groupBy("day").count().orderBy("day").toPandas()

# %% [markdown]
# **Exercise.** For each day in `DAYS` that is not in `loads`: write its purchases to `sales/day=2017-03-01/`, with `purchase`, `store`, `amount` (decimal) and `sold_at` (with its zone), then register the day in `loads`. It is New York's day. To run a past day again, its row in `loads` is deleted: then its partition is replaced, and the others are left alone.

# %% worker="daily_files"
import os
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

NEW_YORK = ZoneInfo("America/New_York")
DAYS = [date.fromisoformat(day) for day in os.environ["DAYS"].split(",")]
shop = psycopg.connect(os.environ["SHOP_URL"], autocommit=True)
warehouse = psycopg.connect(os.environ["WAREHOUSE_URL"], autocommit=True)


def is_loaded(day: date) -> bool:
    return bool(warehouse.execute("SELECT 1 FROM loads WHERE day = %s", [day]).fetchone())


def register(day: date, number: int) -> None:
    warehouse.execute("INSERT INTO loads VALUES (%s, %s)", [day, number])


# BEGIN SOLUTION
EXTRACT = """SELECT purchase, store, amount, sold_at FROM purchases
             WHERE sold_at >= %s AND sold_at < %s ORDER BY purchase"""
SCHEMA = pa.schema(
    {
        "purchase": pa.int64(),
        "store": pa.int32(),
        "amount": pa.decimal128(10, 2),
        "sold_at": pa.timestamp("us", tz="UTC"),
    }
)

for day in DAYS:
    if not is_loaded(day):
        begin = datetime(day.year, day.month, day.day, tzinfo=NEW_YORK)
        rows = shop.execute(EXTRACT, [begin, begin + timedelta(days=1)]).fetchall()
        table = pa.Table.from_pylist([dict(zip(SCHEMA.names, row)) for row in rows], SCHEMA)
        partition = Path(f"sales/day={day}")
        partition.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, partition / "_part")
        (partition / "_part").replace(partition / "part.parquet")
        register(day, len(rows))
# STARTER raise NotImplementedError("for each day that is not loaded: extract, write, register")
# END SOLUTION

# %%
lab.check("daily_files")

# %% [markdown]
# Where is the transaction? A file that is renamed is there at once and whole: readers see the old one or the new one. And the load is idempotent, for it always writes the same name. So the register may come afterwards, in another system, and a crash in between only repeats.
#
# With several files a partition, that is no longer enough; table formats such as Delta Lake and Iceberg then keep a log of commits.

# %% [markdown]
# ## 10. Which load?
#
# | load | reads | misses |
# |---|---|---|
# | full | the whole table | nothing |
# | incremental | rows of the table that are newer than the mark | deletions, late rows |
# | delta | changes in the log since the mark | nothing, if the log is complete |
# | partitioned | all rows of each day in which something changed | nothing, if it knows the days |

# %% [markdown]
# **Exercise.** `task["table"]` is the shop's table tonight, `task["log"]` its log of changes (some are older than last night's `task["mark"]`). How many rows does each load read? A partitioned load learns from the log which days have changed, and reads those days from the table.

# %%
task = lab.task("reads")
print("mark:", task["mark"])
task["log"].tail(4)

# %%
# BEGIN SOLUTION
table, changes = task["table"], task["log"]
since = changes[changes["updated_at"] > task["mark"]]
reads = {
    "full": len(table),
    "incremental": int((table["updated_at"] > task["mark"]).sum()),
    "delta": len(since),
    "partitioned": int(table["day"].isin(since["day"]).sum()),
}
# STARTER reads = ...  # {"full": ..., "incremental": ..., "delta": ..., "partitioned": ...}
# END SOLUTION

# %%
lab.check("reads")

# %% [markdown]
# ## What you can now answer
#
# - *Walk me through an ETL job that may be killed at any moment.* Extract behind a mark, transform without side effects, load so that a repetition changes nothing, and let mark and data commit together, or the mark afterwards.
# - *Full load or incremental?* Full misses nothing and costs everything. Incremental needs time *and* key, an overlap and an upsert, and is blind to deletions.
# - *How do you keep bad data out?* Declared rules, a rejects table with reasons, a score over rows with a threshold. Missing values satisfy no rule.
# - *Yesterday was loaded wrong. What do you run?* The same job for that day, which replaces its partition and no other.
# - *ETL or ELT?* Where the transformation runs. Section 7 was half ELT: raw lines landed first, and could be transformed again.

# %%
lab.progress()
