# ---
# title: Batches, when they start and what they miss
# chapters: [3]
# questions: [8, 10, 11, 21]
# minutes: 20
# ---

# %% [markdown]
# # Batches: when they start, and what they miss
#
# A batch job reads, computes, writes and ends. So two questions decide whether it is right: *when does it start*, and *what does it read*? You will start one in the guide's three ways, kill its scheduler, then load one night of the shop in the guide's four ways and see what each of them overlooks.

# %%
import inspect
import tempfile

import psycopg
import pyarrow.dataset as ds
from IPython.display import Code

from streamgym.checks import databases
from streamgym.lab.predict import predict
from streamgym.stack import shared
from streamgym.tours import batches, loads, nightly, scripts
from streamgym.tours.waiting import wait_until

postgres = shared.address("postgres")  # starts one when none runs
workers = scripts.workers()

# %%
orders = batches.orders(seed=7, scale=10)
shop = batches.database(postgres, orders)
jobs = batches.Jobs(shop)
orders.slice(0, 3).to_pandas()

# %% [markdown]
# ## The job
#
# It adds up the orders of one day. Mind that it *deletes* first, in the same transaction, and that it is told which day: it does not look at a clock.

# %%
Code(inspect.getsource(nightly.Warehouse.load), language="python")

# %% [markdown]
# ## Scheduled
#
# The guide's job runs at two in the morning and loads yesterday. Here a day lasts a second. All that a scheduler does is sleep until the time comes.

# %% worker="nightly"
from streamgym.tours.nightly import DAY, Warehouse

warehouse = Warehouse()
while True:
    warehouse.sleep_until_midnight()
    warehouse.load(warehouse.today() - DAY, how="scheduled")

# %%
lost = predict(
    "The scheduler is killed, and starts again two nights later. What of the orders of the days between?",
    "the next run loads them too",
    "they are loaded late, one each night",
    "no run loads them",
)

# %%
scheduler = jobs.start(workers["nightly"])
jobs.wait_for_runs(2)
jobs.miss(2, scheduler)  # kills it
scheduler = jobs.start(workers["nightly"])
jobs.wait_for_runs(1)
scheduler.kill()
jobs.draw()

last = max(jobs.warehouse.loaded())
missing = [day for day in jobs.warehouse.missing() if day < last]
lost.reveal(
    "no run loads them" if missing else "the next run loads them too",
    f"No orders are loaded of {', '.join(f'{day:%d %B}' for day in missing)}. Each run is green, and there is a hole in the month: cron does not know what it has missed.",
)

# %% [markdown]
# ## Scheduled, and knowing what is missing
#
# So do not ask which day it is. Ask which days are *over and not loaded*. Airflow calls it catch-up; here it is one line.

# %% worker="catching_up"
from streamgym.tours.nightly import Warehouse

warehouse = Warehouse()
while True:
    for day in warehouse.missing():
        warehouse.load(day, how="scheduled")
    warehouse.sleep_until_midnight()

# %%
scheduler = jobs.start(workers["catching_up"])
wait_until(lambda: not set(missing) & set(jobs.warehouse.missing()), "the hole is filled")
scheduler.kill()

# %% [markdown]
# ## Triggered
#
# A partner sends a file. Nobody knows when, so a job waits for it: `watchfiles` asks the operating system to be woken when something happens in a folder.

# %% worker="on_arrival"
import os
from pathlib import Path

from watchfiles import watch

from streamgym.tours.nightly import Warehouse

warehouse, landing = Warehouse(), Path(os.environ["LANDING"])
for _ in watch(landing, yield_on_timeout=True, rust_timeout=200, debounce=50):
    for path in landing.glob("*.csv"):
        if path.name not in warehouse.files():
            warehouse.load_file(path)

# %% [markdown]
# The event only wakes the job; the folder says what there is. So a file that came while the job was down is found as well.

# %%
half = predict(
    "The partner writes 2,000 lines, with a pause in the middle. How many does the job load?",
    "2,000: it waits for the end",
    "fewer: it is woken at the beginning",
)

# %%
job = jobs.start(workers["on_arrival"])
with (jobs.landing / "slow.csv").open("w") as file:
    file.writelines(f"{n},9.99\n" for n in range(1000))
    file.flush()
    wait_until(lambda: "slow.csv" in jobs.warehouse.files(), "the job has run")
    file.writelines(f"{n},9.99\n" for n in range(1000, 2000))

count = jobs.warehouse.files()["slow.csv"]
half.reveal(
    "2,000: it waits for the end" if count == 2000 else "fewer: it is woken at the beginning",
    f"It loaded {count:,} lines. That a file is there does not say that it is whole. The writer must say so: it writes under another name and renames at the end, or puts a marker beside it, such as Spark's _SUCCESS.",
)

# %%
partial = jobs.landing / "whole.partial"
partial.write_text("".join(f"{n},9.99\n" for n in range(2000)))
partial.rename(jobs.landing / "whole.csv")
wait_until(lambda: "whole.csv" in jobs.warehouse.files(), "the job has run")
jobs.warehouse.files()

# %% [markdown]
# ## On demand
#
# The second of June was loaded wrong, so you load it again, by hand. Twice, because you are not sure.

# %%
second = nightly.FIRST + nightly.DAY
for _ in range(2):
    jobs.warehouse.load(second, how="on demand")
    print(databases.rows(shop, "SELECT * FROM daily_sales WHERE day = %s", [second]))
jobs.close()
jobs.draw()

# %% [markdown]
# Three ways to start, one job. It can be shared because it takes the day as an argument and replaces what it wrote before. The guide's job takes yesterday from the clock and adds: it can neither be repeated nor caught up. [Lab 09](../labs/09_etl/lab.ipynb) kills such jobs in the middle.
#
# Mind the guide's end of a day, too: 23:59:59 leaves out an order of half a second later. `>= day` and `< next day` leave out none.

# %% [markdown]
# ## A night in the shop
#
# Now *what* to read. The warehouse was loaded in full at midnight, at the end of June. Then this happened. A late order was placed in June's last hours, on a phone without a network.

# %%
loads.night(shop)

# %%
size = predict(
    "A full load reads the whole table. An incremental one asks for what was placed since midnight: 60 orders of 10,000. How many bytes does Postgres read for it?",
    "about as many",
    "about a tenth",
    "less than a hundredth",
)

# %%
full, new = "SELECT * FROM orders", "SELECT * FROM orders WHERE placed_at >= '2025-07-01'"
reads = {"full": loads.query(shop, full), "incremental": loads.query(shop, new)}
loads.draw(reads)

share = reads["incremental"].bytes / reads["full"].bytes
size.reveal(
    "about as many"
    if share > 0.5
    else "about a tenth"
    if share > 0.01
    else "less than a hundredth",
    "It gets 60 rows, and looks at all to find them. Incremental is what you ask. What is read depends on whether the source can find it.",
)

# %% [markdown]
# ## Three ways to find what is new
#
# An **index** on the column. A table of **changes**, written by a trigger, or by change data capture from the database's own log. Or **partitions**: the same orders as Parquet files, a folder for each day.

# %%
with psycopg.connect(shop) as db:
    db.execute("CREATE INDEX ON orders (placed_at)")
    db.execute("ANALYZE orders")
reads["incremental, index"] = loads.query(shop, new)
reads["delta: the changes"] = loads.query(shop, "SELECT * FROM changes")

# %%
lake = tempfile.TemporaryDirectory()
loads.write_days(orders, lake.name)
reads["Parquet, all of June"] = loads.files(lake.name)
reads["Parquet, one day"] = loads.files(lake.name, ds.field("day") == "2025-06-30")
reads["Parquet, one seller"] = loads.files(lake.name, ds.field("seller_id") == 614)
loads.draw(reads)

# %% [markdown]
# Each way has its price: an index or a log is paid for by every write, and a layout favours one question. A day is one folder; a *seller* is in all of them.

# %% [markdown]
# ## What is missed
#
# Cheap is nothing worth when it is wrong. Each load is now tried on the warehouse as it was at midnight, and compared with the shop.

# %%
tonight = {
    "full": "true",
    "incremental, placed_at": "placed_at >= '2025-07-01'",
    "incremental, updated_at": "updated_at >= '2025-07-01'",
    "partitioned, last two days": "placed_at >= '2025-06-30'",
}
late = predict(
    "An order of 23:44 comes in after midnight, when June has been loaded. The nightly load asks for what was placed since the last load. When does it find the order?",
    "tonight",
    "tomorrow night",
    "never",
)

# %%
tried = {name: loads.load(shop, where) for name, where in tonight.items()}
tried["delta"] = loads.delta(shop)
loads.draw_missed(tried)

found = tried["incremental, placed_at"].arrived["late"]
late.reveal(
    "tonight" if found else "never",
    "It is older than the mark tonight, and older still tomorrow. The guide's example asks just so, for created_at after the last run. What counts is when you could see a row, not when it happened.",
)

# %% [markdown]
# Read the columns. *Changed*: only a mark that moves with the change finds it. *Deleted*: what is gone has no time stamp; a full load, a log of changes, or a partition that is replaced as a whole will do. The two days found one deletion and one change, because they happened to lie there.
#
# And `updated_at`? It finds the late here, as the database sets it when they arrive. But transactions do not commit in its order: [lab 09](../labs/09_etl/lab.ipynb) loses a row that way.

# %% [markdown]
# ## An overlap
#
# Begin each load some hours before the mark. What was loaded already comes again, and replaces itself.

# %%
overlaps = {
    hours: loads.load(shop, f"placed_at >= timestamp '2025-07-01' - interval '{hours} hours'")
    for hours in range(7)
}
loads.draw_overlap(overlaps)
databases.drop(postgres, shop)

# %% [markdown]
# Each hour costs the same, and the first finds most. No overlap is long enough for all. So choose one for the usual, and now and then count source against target, as this tour's table does. It is the one check of quality that notices rows which are *not* there: no rule can reject them.
#
# ## Before loading, or after?
#
# This tour's job transformed while it loaded (ETL). The changes came in raw, and a query made the warehouse of them (ELT). What was loaded raw can be transformed again; a sum cannot be taken apart. [Lab 10](../labs/10_bulk_loading/lab.ipynb) loads fast, and checks first.
#
# ## What you can now answer
#
# - What may start a job? A time, an event, a person; and a good job does not care which. It takes its interval as an argument and replaces it.
# - Full or incremental? What does the source let you find, what do you miss, and what does a full load now and then cost?
# - What is a late row to an incremental load? Lost, unless the mark is the arrival's, or the loads overlap.
#
# Questions 8, 10, 11 and 21 on the [start page](00_start.ipynb) go further.
