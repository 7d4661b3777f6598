# ---
# title: Bulk loading
# chapters: [6, 11]
# questions: [9, 11]
# minutes: 75
# ---

# %% [markdown]
# # Bulk loading: eleven thousand rows before the coffee is ready
#
# ekart's new database is empty, and the shop opens in an hour. The seeder of chapter 6 loads 11,400 records in 10 to 30 seconds. That is fine, until somebody asks for a thousand times as many.
#
# You will load the same rows in four ways, see where the time goes, and make a load that may be killed at any moment.

# %%
import time
import zlib
from decimal import ROUND_HALF_UP, Decimal

import matplotlib.pyplot as plt
import pandas as pd
import psycopg
from IPython.display import display

from streamgym.checks import databases, topics
from streamgym.data.ekart import Ekart
from streamgym.faults.sweep import Point
from streamgym.lab import Lab
from streamgym.lab.timeline import timeline

lab = Lab("10_bulk_loading", student="")  # write your name: it draws your own data
kafka, postgres = lab.kafka(), lab.postgres()

# %% [markdown]
# `Ekart` makes the whole shop from a seed. Here are the orders of 300 sellers as rows, ready to load. The amounts are `Decimal`, and the table has `numeric(12, 2)`: money has cents, and no rounding.

# %%
ORDERS = """
CREATE TABLE orders (
    id bigint PRIMARY KEY, seller_id bigint NOT NULL,
    amount numeric(12, 2) NOT NULL CHECK (amount > 0), status text NOT NULL);
"""
rows = Ekart(seed=10, scale=3).order_rows()
print(len(rows), "orders")
rows[:3]

# %% [markdown]
# ## 1. Row by row
#
# The obvious program: an `INSERT` for each row. `autocommit` makes each a transaction of its own.

# %% worker="row_by_row"
import os

import psycopg

from streamgym.data.ekart import Ekart

rows = Ekart(int(os.environ["SEED"]), float(os.environ["SCALE"])).order_rows()
db = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
for row in rows:
    db.execute("INSERT INTO orders VALUES (%s, %s, %s, %s)", row)

# %% [markdown]
# Run it with 1,000 orders. It talks to Postgres through a proxy that counts. How many times does it wait for an answer?


# %%
def database(schema: str = ORDERS) -> str:
    return databases.create(postgres, schema)


def counts(trial) -> dict[str, int]:
    kinds = [event.kind for event in trial.trace.events]
    return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}


env = {"DATABASE_URL": database(), "SEED": "10", "SCALE": "1"}
began = time.perf_counter()
trial = lab.run("row_by_row", env)
print(counts(trial), f"in {time.perf_counter() - began:.1f} s")

# %% [markdown]
# A thousand statements, a thousand waits, a thousand commits. Each wait is a **round trip**: there, and back. Each commit makes the row safe on the disk before the next may begin.
#
# On one machine a round trip is a fraction of a millisecond. To a database in another data centre it is several.

# %% [markdown]
# ## 2. Batches
#
# `executemany` sends many rows and waits once. How many should go together? Guess where the curve gets flat, then watch it grow.

# %%
INSERT = "INSERT INTO orders VALUES (%s, %s, %s, %s)"


def seconds_for(size: int) -> float:
    with psycopg.connect(database(), autocommit=True) as db:
        began = time.perf_counter()
        for low in range(0, 1000, size):
            db.cursor().executemany(INSERT, rows[low : min(low + size, 1000)])
        return time.perf_counter() - began


figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
shown = display(figure, display_id=True)
measured = {}
for size in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000):
    measured[size] = seconds_for(size)
    axes.clear()
    axes.plot(list(measured), list(measured.values()), "o-", color="#3b7dd8")
    axes.set(xscale="log", xlabel="rows in a batch", ylabel="seconds for 1,000 orders", ylim=0)
    axes.set_xticks(list(measured), list(measured))
    shown.update(figure)
plt.close(figure)

# %% [markdown]
# Steep, then flat. A batch of *n* rows takes `round trip + n * row`. Once the round trip is a small part of that, a larger batch gains nothing. It costs memory, and more work is lost when it fails.
#
# A batch of *one* in `executemany` is just row by row, in longer words.

# %% [markdown]
# **Exercise.** Your database is further away. Choose the smallest batch in which the round trip takes at most `percent` of the batch's time. The times are in microseconds.

# %%
task = lab.task("batch_size")
print(task)

# %%
# BEGIN SOLUTION
batch_size = 1
while task["round_trip_us"] * 100 > task["percent"] * (
    task["round_trip_us"] + batch_size * task["row_us"]
):
    batch_size += 1
# STARTER batch_size = ...  # rows
# END SOLUTION

# %%
lab.check("batch_size")

# %% [markdown]
# **Exercise.** Load all orders in batches of `BATCH` rows. A batch is one transaction, so that it is there as a whole or not at all, and it does not wait for every row. The number of orders need not be a multiple of `BATCH`.

# %% worker="in_batches"
import os

import psycopg

from streamgym.data.ekart import Ekart

BATCH = int(os.environ["BATCH"])
INSERT = "INSERT INTO orders VALUES (%s, %s, %s, %s)"

rows = Ekart(int(os.environ["SEED"]), float(os.environ["SCALE"])).order_rows()
db = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)

# BEGIN SOLUTION
for low in range(0, len(rows), BATCH):
    with db.transaction():
        db.cursor().executemany(INSERT, rows[low : low + BATCH])
# STARTER raise NotImplementedError("for each batch: one transaction, one executemany")
# END SOLUTION

# %%
lab.check("in_batches")

# %% [markdown]
# Look at yours, with the 1,000 orders of before. What took a thousand waits now takes thirty.

# %%
trial = lab.run("in_batches", env | {"DATABASE_URL": database(), "BATCH": "100"})
print(counts(trial))
timeline(trial.trace, "ten batches of a hundred orders")

# %% [markdown]
# ## 3. COPY
#
# One wait for many rows, and still Postgres runs a *statement* for each of them. Two more ways: an `INSERT` with many rows in its `VALUES`, and `COPY`, one statement for any number of rows, which then follow as a stream. Which will win, and by how much? Guess first.


# %%
def row_by_row(db):
    for row in rows:
        db.execute(INSERT, row)


def batches(db):
    for low in range(0, len(rows), 1000):
        db.cursor().executemany(INSERT, rows[low : low + 1000])


def multi_row(db):
    for low in range(0, len(rows), 500):
        part = rows[low : low + 500]
        values = ", ".join(["(%s, %s, %s, %s)"] * len(part))
        db.execute(f"INSERT INTO orders VALUES {values}", [v for row in part for v in row])


def copy(db):
    with db.cursor().copy("COPY orders FROM STDIN") as stream:
        for row in rows:
            stream.write_row(row)


# %%
took = {}
for way in (row_by_row, batches, multi_row, copy):
    with psycopg.connect(database(), autocommit=True) as db:
        began = time.perf_counter()
        way(db)
        took[way.__name__] = time.perf_counter() - began
speed = pd.Series({name: len(rows) / seconds for name, seconds in took.items()})
axes = speed.plot.barh(figsize=(8, 2.6), color="#3b7dd8", title="rows a second")
axes.bar_label(axes.containers[0], fmt="{:,.0f}", padding=3)
axes.set_xlim(0, speed.max() * 1.15)
plt.show()

# %% [markdown]
# The same rows, the same table, the same checks: nothing was switched off to be fast. A long `VALUES` must be parsed, with thousands of parameters. `COPY` has nothing to parse but the data.
#
# **Exercise.** Load all orders, in at most 4 times the time of a plain `COPY` that runs beside yours. The time counts from your first statement to the last answer.

# %% worker="copy_load"
import os

import psycopg

from streamgym.data.ekart import Ekart

rows = Ekart(int(os.environ["SEED"]), float(os.environ["SCALE"])).order_rows()
db = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)

# BEGIN SOLUTION
with db.cursor().copy("COPY orders FROM STDIN") as copy:
    for row in rows:
        copy.write_row(row)
# STARTER raise NotImplementedError("COPY orders FROM STDIN")
# END SOLUTION

# %%
lab.check("copy_load")

# %% [markdown]
# ## 4. Killed in mid-load
#
# Accounting wants a ledger: a line for each completed order, with the 90 % that its seller gets. The table has no key, so Postgres cannot tell a line that came twice. This program writes the lines, and at the end a mark: *loaded*. Whoever starts it again looks for the mark.

# %%
LEDGER = """
CREATE TABLE ledger (order_id bigint NOT NULL, seller_id bigint NOT NULL,
    amount numeric(12, 2) NOT NULL);
CREATE TABLE batches (number integer PRIMARY KEY, lines integer NOT NULL, total numeric NOT NULL);
"""

# %% worker="mark_at_the_end"
import os

import psycopg

from streamgym.data.ekart import Ekart

shop = Ekart(int(os.environ["SEED"]), float(os.environ["SCALE"]))
orders = [row[:3] for row in shop.order_rows() if row[3] == "completed"]
db = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
if not db.execute("SELECT FROM batches").fetchall():
    for order in orders:
        db.execute("INSERT INTO ledger VALUES (%s, %s, round(%s * 0.9, 2))", order)
    total = "INSERT INTO batches SELECT 0, count(*), sum(amount) FROM ledger"
    db.execute(total)

# %% [markdown]
# We kill it when its 10th line is in the table. It is started again, and ends well. Is the ledger right?

# %%
env = {"DATABASE_URL": database(LEDGER), "SEED": "10", "SCALE": "0.05"}
trial = lab.run("mark_at_the_end", env, crash=Point("after", "INSERT", 10))
timeline(trial.trace, "a load without transactions, killed and started again")
query = "SELECT count(*) AS lines, count(DISTINCT order_id) AS orders, sum(amount) FROM ledger"
pd.DataFrame(databases.rows(env["DATABASE_URL"], query))

# %% [markdown]
# Ten lines are there twice, and somebody is paid twice. Half a load had stayed behind, and the mark said nothing about it.
#
# Could you set the mark first? Then a crash leaves a mark without lines, and nobody ever loads them. Two writes in two transactions always have a moment between them.

# %% [markdown]
# **Exercise.** Load a line for each of `orders`, in `batches`: order, seller, and 90 % of the amount, rounded to the cent; half a cent goes up. Each batch has a row in `batches`: its number from 0, how many lines it has, and its **control total**, the sum of its lines. Some batches may be there from an earlier run. However often it is killed and started again: no line lost, none twice.

# %% worker="load_once"
import os
from decimal import ROUND_HALF_UP, Decimal

import psycopg

from streamgym.data.ekart import Ekart

BATCH = int(os.environ["BATCH"])
shop = Ekart(int(os.environ["SEED"]), float(os.environ["SCALE"]))
orders = [row[:3] for row in shop.order_rows() if row[3] == "completed"]
batches = [orders[low : low + BATCH] for low in range(0, len(orders), BATCH)]
db = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)

# BEGIN SOLUTION
CENT = Decimal("0.01")


def line(order: int, seller: int, amount: Decimal) -> tuple:
    return order, seller, (amount * 9 / 10).quantize(CENT, ROUND_HALF_UP)


done = {number for (number,) in db.execute("SELECT number FROM batches")}
for number, batch in enumerate(batches):
    if number in done:
        continue
    lines = [line(*order) for order in batch]
    with db.transaction():
        with db.cursor().copy("COPY ledger FROM STDIN") as copy:
            for row in lines:
                copy.write_row(row)
        mark = (number, len(lines), sum(amount for _, _, amount in lines))
        db.execute("INSERT INTO batches VALUES (%s, %s, %s)", mark)
# STARTER raise NotImplementedError("load each batch that has no mark, and mark it")
# END SOLUTION

# %%
lab.check("load_once")

# %% [markdown]
# Kill it yourself, in the middle of its third batch. The transaction was not committed, so nothing of that batch is there, and the mark is not there either. The second start goes on with exactly that batch.

# %%
env = {"DATABASE_URL": database(LEDGER), "SEED": "10", "SCALE": "0.5", "BATCH": "40"}
trial = lab.run("load_once", env, crash=Point("before", "COMMIT", 3))
timeline(trial.trace, "a batch and its mark in one transaction")
pd.DataFrame(databases.rows(env["DATABASE_URL"], "SELECT * FROM batches ORDER BY number"))

# %% [markdown]
# The control total is worth its column: it tells whether all of it arrived, to the cent. Here is what a hasty program would have paid. A float has no exact tenth, so half a cent goes up or down as it likes.

# %%
some = sorted({row[2] for row in rows if row[2] * 100 % 10 == 5})[:8]
pay = pd.DataFrame({"amount": some})
pay["numeric"] = [(amount * 9 / 10).quantize(Decimal("0.01"), ROUND_HALF_UP) for amount in some]
pay["float"] = [round(float(amount) * 0.9, 2) for amount in some]
display(pay)

# %% [markdown]
# ## 5. Bad rows
#
# Real files have bad rows: an order of a seller that does not exist, a quantity of minus two, a number that was there before. Constraints find them. But what then?

# %%
SHOP = """
CREATE TABLE sellers (id bigint PRIMARY KEY);
INSERT INTO sellers SELECT generate_series(1, 20);
CREATE TABLE orders (
    id bigint PRIMARY KEY, seller_id bigint NOT NULL REFERENCES sellers,
    quantity integer NOT NULL CHECK (quantity > 0), amount numeric(12, 2) NOT NULL);
CREATE TABLE rejected (line integer PRIMARY KEY, reason text NOT NULL CHECK (reason <> ''));
"""
with psycopg.connect(database(SHOP), autocommit=True) as db:
    try:
        with db.cursor().copy("COPY orders FROM STDIN") as stream:
            for number, seller in [(1, 7), (2, 8), (3, 4711), (4, 9)]:
                stream.write_row((number, seller, 1, "9.99"))
    except psycopg.IntegrityError as error:
        print(error)
    print("orders:", db.execute("SELECT count(*) FROM orders").fetchone()[0])

# %% [markdown]
# One bad row, and three good ones are not loaded either. Three tempting ways out: drop the constraint, skip what does not fit, or throw the file away. The first lets wrong data in, the second loses data in silence, the third stops the shop.

# %% [markdown]
# **Exercise.** Load the rows of `ROWS`: `[line, id, seller, quantity, amount]`. Good rows go to `orders`. Bad ones go to `rejected`, with their line and a reason in your own words. Of two rows with the same id the first is good. All constraints stay.

# %% worker="keep_constraints"
import json
import os

import psycopg

rows = json.loads(os.environ["ROWS"])
db = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)

# BEGIN SOLUTION
STAGING = """CREATE TEMP TABLE incoming
    (line integer, id bigint, seller_id bigint, quantity integer, amount numeric(12, 2))"""
SORT_OUT = """
WITH judged AS (
    SELECT incoming.*, CASE
        WHEN sellers.id IS NULL THEN 'there is no such seller'
        WHEN quantity <= 0 THEN 'the quantity is not positive'
        WHEN row_number() OVER (PARTITION BY incoming.id ORDER BY line) > 1
            THEN 'the number was there before'
        END AS reason
    FROM incoming LEFT JOIN sellers ON sellers.id = seller_id),
refused AS (
    INSERT INTO rejected SELECT line, reason FROM judged WHERE reason IS NOT NULL)
INSERT INTO orders SELECT id, seller_id, quantity, amount FROM judged WHERE reason IS NULL"""

db.execute(STAGING)
with db.transaction():
    with db.cursor().copy("COPY incoming FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    db.execute(SORT_OUT)
# STARTER raise NotImplementedError("good rows to orders, bad ones to rejected")
# END SOLUTION

# %%
lab.check("keep_constraints")

# %% [markdown]
# A **staging table** takes everything, fast and without questions. Then one statement sorts out what is good. `rejected` is the dead letter queue of a database: somebody can look at it, mend the rows, and load them.

# %% [markdown]
# ## 6. The same thought in Kafka
#
# A producer has the same choice: send each event at once, or wait a little and send many. `linger.ms` says how long it may wait, `batch.size` how many bytes it may gather, `compression.type` how it packs a batch.

# %% worker="producer"
import json
import os
import time

from confluent_kafka import Producer

from streamgym.data.ekart import Ekart
from streamgym.data.ekart_events import events

shop = Ekart(int(os.environ["SEED"]), float(os.environ["SCALE"]))
rows = events(shop, shop.order_batches()[0]).to_pylist()
settings = {"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"], "log_level": 0}
producer = Producer(settings | json.loads(os.environ["SETTINGS"]))

for number, row in enumerate(rows):
    if number % 5 == 0:
        time.sleep(0.01)  # events come in as they happen, five at a time
    producer.produce(os.environ["TOPIC"], row["value"], row["key"])
producer.flush()

# %% [markdown]
# It sends about 450 events in a second, as a shop does. Watch requests and bytes on the wire while only the settings change.

# %%
TRIES = {
    "no linger": '{"linger.ms": 0}',
    "linger 200 ms": '{"linger.ms": 200}',
    "linger, lz4": '{"linger.ms": 200, "compression.type": "lz4"}',
    "linger, zstd": '{"linger.ms": 200, "compression.type": "zstd"}',
    "one a batch, zstd": '{"batch.num.messages": 1, "compression.type": "zstd"}',
}
seen = {}
for name, settings in TRIES.items():
    env = {"KAFKA_BOOTSTRAP_SERVERS": kafka, "TOPIC": topics.create(kafka), "SEED": "10"}
    trial = lab.run("producer", env | {"SCALE": "0.15", "SETTINGS": settings})
    sent = [event.request for event in trial.trace.events if event.kind == "Produce"]
    seen[name] = {"requests": len(sent), "kB": sum(len(request.data) for request in sent) / 1000}
wire = pd.DataFrame(seen).T
display(wire)

# %%
figure, both = plt.subplots(1, 2, figsize=(9, 2.8), layout="constrained", sharey=True)
for axes, column in zip(both, ("requests", "kB"), strict=True):
    axes.barh(wire.index[::-1], wire[column][::-1], color="#3b7dd8")
    axes.set_title(column)
plt.show()

# %% [markdown]
# Compare the last row with the one above it: the same codec, and the bytes grow. A codec lives from what repeats, and in a batch of one there is nothing to repeat. Linger first, then compress.

# %% [markdown]
# **Exercise.** `task["samples"]` has 100 records of each of six topics. Which of them shrink to less than half when they are compressed in batches of 100? (`zlib` will do.) Choose a list of names.

# %%
task = lab.task("codec")
for name, records in task["samples"].items():
    print(f"{name:9} {records[0][:60]}")

# %%
# BEGIN SOLUTION
codec = []
for name, records in task["samples"].items():
    whole = b"".join(records)
    if len(zlib.compress(whole)) < len(whole) / 2:
        codec.append(name)
# STARTER codec = ...  # names of topics
# END SOLUTION

# %%
lab.check("codec")

# %% [markdown]
# **Exercise.** Tune the producer: at most 25 `Produce` requests for all events, at most 60 % of their bytes on the wire, and still no event may wait for longer than half a second, nor go without `acks=all`.

# %% worker="tuned_producer"
import os
import time

from confluent_kafka import Producer

from streamgym.data.ekart import Ekart
from streamgym.data.ekart_events import events

shop = Ekart(int(os.environ["SEED"]), float(os.environ["SCALE"]))
rows = events(shop, shop.order_batches()[0]).to_pylist()
settings = {"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"], "log_level": 0}

# BEGIN SOLUTION
settings |= {"linger.ms": 200, "batch.size": 200_000, "compression.type": "zstd"}
# STARTER raise NotImplementedError("settings |= {...}")
# END SOLUTION

producer = Producer(settings)
for number, row in enumerate(rows):
    if number % 5 == 0:
        time.sleep(0.01)  # events come in as they happen, five at a time
    producer.produce(os.environ["TOPIC"], row["value"], row["key"])
producer.flush()

# %%
lab.check("tuned_producer")

# %% [markdown]
# All of this in one command: `streamgym seed --scale 10` makes the shop as columns, loads it with `COPY`, a transaction and a mark for each batch; `--to kafka` sends its events. Kill it, start it again: it goes on where it was.

# %% [markdown]
# ## What you can now answer
#
# - *How do you make a batch job faster?* See what it waits for. Fewer round trips and fewer commits first: batches, then `COPY`. Then measure against a floor in the same run.
# - *How large should a batch be?* As small as the round trip allows. Larger ones gain nothing, and lose more when they fail.
# - *What if the job dies half way?* A batch and its mark in one transaction. The repeat reads the marks.
# - *How do you keep the data good?* Constraints stay, bad rows go aside with a reason, control totals prove that all of it arrived, and money is never a float.

# %%
lab.progress()
