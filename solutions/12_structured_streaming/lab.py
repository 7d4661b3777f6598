# ---
# title: Structured Streaming
# chapters: [5, 14]
# questions: [6, 7, 13, 16, 17, 23]
# minutes: 100
# ---

# %% [markdown]
# # Structured Streaming: a query that never ends, and survives its end
#
# ekart wants its revenue every five minutes, a reminder to whoever has not paid, and a table of sums that is right to the cent. You write it as queries, as if the orders were a table. Spark runs them again and again on what is new.
#
# By the end you will have killed one of them in the middle, and it will not have mattered.

# %%
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random

import pandas as pd
import psycopg
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.streaming import DataStreamWriter

from streamgym.checks import databases, queries, topics
from streamgym.data import shop
from streamgym.faults.sweep import Point
from streamgym.lab import Lab
from streamgym.lab.timeline import timeline

lab = Lab("12_structured_streaming", student="")  # write your name: it draws your own data
kafka, spark, postgres = lab.kafka(), lab.spark(), lab.postgres()

# %% [markdown]
# Two hours of orders, one every 40 seconds. The tills stand in Vienna and write down local time with its offset. Most orders arrive at once; some tills were offline, and theirs come up to nine minutes late.

# %%
rng = Random(12)
nine = datetime(2026, 3, 2, 9, tzinfo=timezone(timedelta(hours=1)))
sold = []
for n, order in enumerate(shop.orders(rng, 180)):
    placed = nine + timedelta(seconds=40 * n)
    arrives = placed + timedelta(minutes=rng.uniform(5, 9) if rng.random() < 0.2 else 0)
    product, region = order.pop("items")[0]["product"], rng.choice(["north", "south"])
    extra = {"product": product, "region": region, "placed": placed.isoformat()}
    sold.append((arrives, order | extra))
sold = [order for arrives, order in sorted(sold, key=lambda pair: pair[0])]

topic = topics.create(kafka)
topics.produce(kafka, topic, sold, key="")
pd.DataFrame(sold).head(8)

# %% [markdown]
# ## 1. A stream is a table that grows
#
# `readStream` gives a DataFrame like any other, except that it has no end. Nothing is read yet. `maxOffsetsPerTrigger` limits how much one **micro-batch** takes.


# %%
def read(topic: str, per_batch: int = 30) -> DataFrame:
    source = spark.readStream.format("kafka").option("kafka.bootstrap.servers", kafka)
    source = source.option("subscribe", topic).option("startingOffsets", "earliest")
    return source.option("maxOffsetsPerTrigger", per_batch).load()


raw = read(topic)
print("endless:", raw.isStreaming)
raw.printSchema()
print("an order has:", shop.SPARK_SCHEMA)

# %% [markdown]
# Kafka knows bytes. There is a `timestamp`, which looks welcome. It is not what you think: it says when the record was written to the log.
#
# **Exercise.** Return `order`, `customer`, `region`, `product`, `amount`, `placed` with the types of `SCHEMA`. The topic also carries pings, such as `{"ping": 7}`: leave them out.

# %%
SCHEMA = shop.SPARK_SCHEMA


def typed(raw: DataFrame) -> DataFrame:
    # BEGIN SOLUTION
    value = F.from_json(F.col("value").cast("string"), SCHEMA).alias("record")
    return raw.select(value).select("record.*").where("order IS NOT NULL")
    # END SOLUTION


# %%
lab.check("typed")

# %% [markdown]
# From here on `orders` is given, so that nothing depends on your answer. It has one more column, `arrived`: Kafka's timestamp.


# %%
def orders_of(topic: str, per_batch: int = 30) -> DataFrame:
    return shop.read_stream(spark, kafka, topic, per_batch)


orders = orders_of(topic)

# %% [markdown]
# ## 2. Five minutes, without end
#
# Count per five minutes, in *update* mode: each micro-batch tells which windows have changed. The trigger `availableNow` means: take all there is, micro-batch by micro-batch, and stop.

# %%
five = F.window("placed", "5 minutes").alias("window")


def run(query: DataFrame, mode: str) -> tuple[DataFrame, list]:
    """Run a query over all there is; return its rows, and a report of each micro-batch."""
    name = f"{mode}_{rng.randrange(10**9)}"
    writer = query.writeStream.format("memory").queryName(name).outputMode(mode)
    running = writer.trigger(availableNow=True).start()
    running.awaitTermination()
    return spark.table(name), running.recentProgress


rows, reports = run(orders.groupBy(five).count(), "update")
rows.selectExpr("window.start", "count").orderBy("start", "count").toPandas().head(8)

# %% [markdown]
# Some windows appear twice, with a growing count. Late orders did that. To be able to correct a window, Spark must remember it. For how long? The reports tell: look at the rows that it holds in **state** after each micro-batch.

# %%
patient = orders.withWatermark("placed", "20 minutes")
_, watched = run(patient.groupBy(five).count(), "update")


def held(reports: list) -> list[int]:
    return [report["stateOperators"][0]["numRowsTotal"] for report in reports]


axes = pd.Series(held(reports)).plot(label="no watermark", marker="o", legend=True)
pd.Series(held(watched)).plot(ax=axes, label="watermark: 20 minutes", marker="o", legend=True)
_ = axes.set(xlabel="micro-batch", ylabel="windows in state", ylim=0)

# %% [markdown]
# Without a watermark the line never bends: in a year the job dies of its memory. With one, Spark lets windows go. The watermark is the newest `placed` minus 20 minutes, and it only moves *between* micro-batches:

# %%
pd.DataFrame(
    {
        "orders": report["sources"][0]["numInputRows"],
        "watermark": report["eventTime"]["watermark"],
        "windows in state": number,
    }
    for report, number in zip(watched, held(watched))
)

# %% [markdown]
# The last micro-batch has no orders at all. Spark added it to close windows that the new watermark had passed.
#
# **Exercise.** `orders` is as above. Return `start`, `orders` (how many) and `revenue` (their amounts) per five minutes of `placed`, waiting 20 minutes for late ones. It is run in *append* mode, which gives each window once, when it is closed.


# %%
def five_minutes(orders: DataFrame) -> DataFrame:
    # BEGIN SOLUTION
    return (
        orders.withWatermark("placed", "20 minutes")
        .groupBy(F.window("placed", "5 minutes").alias("window"))
        .agg(F.count("*").alias("orders"), F.sum("amount").alias("revenue"))
        .select("window.start", "orders", "revenue")
    )
    # END SOLUTION


# %%
lab.check("five_minutes")

# %% [markdown]
# ## 3. Three output modes, and Spark's objections
#
# *append* gives rows that are final. *update* gives rows that have changed. *complete* gives everything, each time. Not every query can keep each promise, and Spark says so before it reads a single order:

# %%
try:
    run(orders.groupBy(five).count(), "append")
except Exception as error:
    print(str(error).splitlines()[0])

# %% [markdown]
# **Exercise.** Here are four queries, drawn from your name. In which modes does Spark start each? Guess, then try.

# %%
task = lab.task("modes")
for letter, query in task["queries"].items():
    print(f"{letter}: {query}\n")


# %%
# BEGIN SOLUTION
def allowed(query: str) -> list[str]:
    if "orderBy" in query:  # a sorted result can only be given whole
        return ["complete"]
    if "join" in query:  # "nobody came" is only said once
        return ["append"]
    if "groupBy" not in query:  # the whole result would be every row that ever came
        return ["append", "update"]
    closes = "withWatermark" in query and "window" in query
    return ["append", "update", "complete"] if closes else ["update", "complete"]


modes = {letter: allowed(query) for letter, query in task["queries"].items()}
# STARTER modes = ...  # such as {"a": ["append", "update"], "b": ["complete"], "c": [], "d": []}
# END SOLUTION

# %%
lab.check("modes")

# %% [markdown]
# ## 4. Triggers, and the checkpoint
#
# A trigger says when the next micro-batch begins: at once (the default), every ten seconds (`processingTime`), or until all is done (`availableNow`). What a query has done stands in its **checkpoint**, a folder. Watch three runs that share one:


# %%
def nightly(query: DataFrame, checkpoint: str) -> int:
    """Run a query to its end, and return how many orders it read."""
    writer = query.writeStream.format("noop").option("checkpointLocation", checkpoint)
    running = writer.trigger(availableNow=True).start()
    running.awaitTermination()
    return sum(report["sources"][0]["numInputRows"] for report in running.recentProgress)


shared = str(queries.new_folder(spark))
print("north:      ", nightly(orders.where("region = 'north'"), shared))
print("north again:", nightly(orders.where("region = 'north'"), shared))
print("south:      ", nightly(orders.where("region = 'south'"), shared))

# %% [markdown]
# The second run read nothing, as it should: all was done. So did the third, and that is a disaster without an error message. South never got an order, because north's checkpoint said that they were all handled.
#
# **Exercise.** Return a query, not started, that keeps a region's orders as Parquet in `f"{folder}/{region}"`. It runs every night, once per region, reads what is new in bounded micro-batches, and ends. Its checkpoint is below `folder` too.


# %%
def archive(orders: DataFrame, region: str, folder: str) -> DataStreamWriter:
    # BEGIN SOLUTION
    kept = orders.where(F.col("region") == region)
    writer = kept.writeStream.format("parquet").option("path", f"{folder}/{region}")
    writer = writer.option("checkpointLocation", f"{folder}/checkpoints/{region}")
    return writer.trigger(availableNow=True)
    # END SOLUTION


# %%
lab.check("archive")

# %% [markdown]
# ## 5. A stream and a table
#
# The catalogue says which category a product is in. It is a table: an end, no watermark. Each micro-batch is joined with it and forgotten. Count what comes out:

# %%
catalogue = spark.createDataFrame(
    [("mug", "kitchen"), ("kettle", "kitchen"), ("tea", "drinks")],
    "product string, category string",
)
rows, reports = run(orders.join(catalogue, "product"), "append")
print(f"{rows.count()} of {len(sold)} orders, {len(reports[-1]['stateOperators'])} state operators")

# %% [markdown]
# No state at all: that is what makes this join cheap. Yet orders went missing, and the query did not complain.
#
# **Exercise.** `catalogue` is a folder of Parquet with `product` and `category`. Return a query that writes `order`, `product` and `category` of *every* order as Parquet to `output`. `orders.sparkSession` is the session to read with.


# %%
def catalogued(orders: DataFrame, catalogue: str, output: str, checkpoint: str) -> DataStreamWriter:
    # BEGIN SOLUTION
    products = orders.sparkSession.read.parquet(catalogue)
    found = orders.join(products, "product", "left").select("order", "product", "category")
    writer = found.writeStream.format("parquet").option("path", output)
    return writer.option("checkpointLocation", checkpoint)
    # END SOLUTION


# %%
lab.check("catalogued")

# %% [markdown]
# ## 6. Two streams
#
# Payments come in a topic of their own. An order must be paid within 15 minutes. Some are paid later, one in five never. Join them as you would join tables, and look at the state:

# %%
paying = []
for order in sold:
    if rng.random() < 0.8:
        paid_at = datetime.fromisoformat(order["placed"]) + timedelta(minutes=rng.uniform(1, 18))
        paying.append({"order": order["order"], "paid": paid_at.isoformat()})
paying.sort(key=lambda payment: payment["paid"])
payments_topic = topics.create(kafka)
topics.produce(kafka, payments_topic, paying, key="")

payment = F.from_json(F.col("value").cast("string"), "order long, paid timestamp")
payments = read(payments_topic).select(payment.alias("record")).select("record.*")
_, reports = run(orders.join(payments, "order"), "append")
print("rows in state after each micro-batch:", held(reports))

# %% [markdown]
# Every order and every payment is kept, for ever: tomorrow the other half may come. You know that it will not. Spark knows only when you give it a watermark on both event times *and* a bound between them.
#
# **Exercise.** Return `order` and `paid` for every order; `paid` is NULL when nobody paid from `placed` to 15 minutes after. Both streams may be 10 minutes late. Forget what cannot match any more.


# %%
def paid(orders: DataFrame, payments: DataFrame) -> DataFrame:
    # BEGIN SOLUTION
    left = orders.withWatermark("placed", "10 minutes")
    right = payments.withWatermark("paid", "10 minutes").withColumnRenamed("order", "paid_order")
    in_time = "order = paid_order AND paid BETWEEN placed AND placed + INTERVAL 15 MINUTES"
    return left.join(right, F.expr(in_time), "left").select("order", "paid")
    # END SOLUTION


# %%
lab.check("paid")

# %% [markdown]
# Now look at the state of your own join. "Nobody paid" comes out about 25 minutes late: the bound and the lateness. Nobody can know it earlier.

# %%
try:
    rows, reports = run(paid(orders, payments), "append")
    print("rows in state:", held(reports), "- not paid so far:", rows.where("paid IS NULL").count())
except NotImplementedError:
    print("write paid first")

# %% [markdown]
# ## 7. Killed in the middle
#
# `foreachBatch` hands each micro-batch to a Python function: any database will do. This one books the orders in Postgres. It also notes which files it finds in its own checkpoint, so that we can see what Spark knew at that moment.


# %%
def naive(orders: DataFrame, url: str, checkpoint: str) -> DataStreamWriter:
    def save(batch: DataFrame, number: int) -> None:
        rows = [(row["order"], number) for row in batch.select("order").collect()]
        found = [
            " ".join(sorted(path.name for path in Path(checkpoint, name).glob("[0-9]*")))
            for name in ("offsets", "commits")
        ]
        with psycopg.connect(url) as db:  # one transaction
            db.cursor().executemany("INSERT INTO booked VALUES (%s, %s)", rows)
            db.execute("INSERT INTO calls VALUES (DEFAULT, %s, %s, %s)", (number, *found))

    return orders.writeStream.foreachBatch(save).option("checkpointLocation", checkpoint)


# %% [markdown]
# The process that runs `save` is killed, with SIGKILL, when Postgres has committed its second transaction and before Spark hears of it. Then the query is started again, as a watchful operator would do.

# %%
url = databases.create(
    postgres,
    "CREATE TABLE booked (order_id bigint, batch bigint);"
    "CREATE TABLE calls (call serial, batch bigint, offsets text, commits text)",
)
checkpoint = str(queries.new_folder(spark))
trial = lab.run_query(
    lambda address: naive(orders_of(topic, 60), address, checkpoint),
    url,
    crash=Point("after", "COMMIT", 2),
)
timeline(trial.trace, "foreachBatch, killed after its second COMMIT")

# %% [markdown]
# Four commits for three micro-batches. How much did the shop sell, according to Postgres?

# %%
question = "SELECT batch, count(*) AS rows, count(DISTINCT order_id) AS orders FROM booked"
pd.DataFrame(databases.rows(url, f"{question} GROUP BY batch ORDER BY batch"))

# %% [markdown]
# Micro-batch 1 counts twice, and nothing reported an error. Here is what `save` found in the checkpoint at each of its calls:

# %%
pd.DataFrame(databases.rows(url, "SELECT * FROM calls ORDER BY call"))

# %% [markdown]
# Before a micro-batch, Spark writes down in `offsets/N` which records are in it. After the sink has returned, it writes `commits/N`. Killed in between, the batch was planned but never confirmed, so Spark did it again. Look into the plan:

# %%
for plan in Path(checkpoint).glob("offsets/1"):
    print(*(line[:150] for line in plan.read_text().splitlines()), sep="\n")

# %% [markdown]
# **Exercise.** A topic has one partition. `offsets[n]` is the offset up to which batch `n` reads, `commits` are the numbers that are confirmed. The topic ends at `latest`, and a new batch takes `at_most` records. Return the next batch as `[number, first offset, end offset]`.


# %%
def next_batch(offsets: list[int], commits: list[int], latest: int, at_most: int) -> list[int]:
    # BEGIN SOLUTION
    number = len(commits)
    first = offsets[number - 1] if number else 0
    if number < len(offsets):  # planned, and not confirmed
        return [number, first, offsets[number]]
    return [number, first, min(latest, first + at_most)]
    # END SOLUTION


# %%
lab.check("next_batch")

# %% [markdown]
# ## 8. Exactly once, in the end
#
# So `foreachBatch` is *at least once*. What you can rely on: a batch that comes again has the same number and the same records. A sink that remembers the numbers can tell.
#
# **Exercise.** Add each batch to `revenue`: orders and cents per customer. The tables are these. Your sink is killed at several points of its run, and every sum must be right. It runs in a process of Spark's, which gets a copy of what it uses: `spark` and `lab` stay here.

# %%
TABLES = """
CREATE TABLE revenue (customer text PRIMARY KEY, orders bigint NOT NULL, cents bigint NOT NULL);
CREATE TABLE batches (batch bigint PRIMARY KEY);
"""


def once(orders: DataFrame, url: str, checkpoint: str) -> DataStreamWriter:
    # BEGIN SOLUTION
    def add(batch: DataFrame, number: int) -> None:
        import psycopg

        sums = batch.groupBy("customer").agg(F.count("*"), F.sum("amount")).collect()
        with psycopg.connect(url) as db:
            done = db.execute(
                "INSERT INTO batches VALUES (%s) ON CONFLICT DO NOTHING RETURNING batch", [number]
            )
            if done.fetchone():
                db.cursor().executemany(
                    "INSERT INTO revenue VALUES (%s, %s, %s) ON CONFLICT (customer) DO UPDATE"
                    " SET orders = revenue.orders + EXCLUDED.orders,"
                    " cents = revenue.cents + EXCLUDED.cents",
                    [tuple(row) for row in sums],
                )

    return orders.writeStream.foreachBatch(add).option("checkpointLocation", checkpoint)
    # END SOLUTION


# %%
lab.check("once")

# %% [markdown]
# The number and the sums are in *one* transaction. At least once on Spark's side, and a sink that forgets repetitions: together that is exactly once. The file sink of exercise 4 does the same with a list of files per batch.

# %% [markdown]
# ## 9. You deploy a new version
#
# The query changed, its checkpoint did not. Count orders in windows, then start a changed query from the same checkpoint. First, count per customer as well:

# %%
growing = topics.create(kafka)
topics.produce(kafka, growing, sold[:120], key="")
counted = orders_of(growing).withWatermark("placed", "10 minutes")
place, output = str(queries.new_folder(spark)), str(queries.new_folder(spark))


def deploy(query: DataFrame) -> str:
    flat = query.selectExpr("window.start", "window.end", "count")
    writer = flat.writeStream.format("parquet").option("path", output)
    running = writer.option("checkpointLocation", place).trigger(availableNow=True).start()
    try:
        running.awaitTermination()
    except Exception as error:
        return "refused: " + str(error).splitlines()[0].split("exception: ")[-1]
    return "went on"


print("first version:", deploy(counted.groupBy(five).count()))
topics.produce(kafka, growing, sold[120:], key="")
print("per customer: ", deploy(counted.groupBy(five, "customer").count()))

# %% [markdown]
# Spark keeps the schema of its state, and refuses to read state of another shape. A loud error: good. Now make the windows ten minutes long, and ask the result how long its windows are.

# %%
ten = F.window("placed", "10 minutes").alias("window")
print("ten minutes:", deploy(counted.groupBy(ten).count()))
lengths = spark.read.parquet(output).selectExpr("end - start AS length", "count")
sums = F.count("*").alias("windows"), F.sum("count").alias("orders")
lengths.groupBy("length").agg(*sums).toPandas()

# %% [markdown]
# It went on, and the table now holds both kinds, some orders in either. "Spark takes it" does not mean that it is right.
#
# **Exercise.** The query counts orders per region and window of `placed`. Which of *your* six changes does Spark refuse at the restart? Try them above if you are not sure.

# %%
task = lab.task("restarts")
for letter, change in task["changes"].items():
    print(f"{letter}: {change}")

# %%
# BEGIN SOLUTION
fatal = ["another topic", "second aggregate", "average", "region and customer", "dropDuplicates"]
restarts = [
    letter for letter, change in task["changes"].items() if any(words in change for words in fatal)
]
# STARTER restarts = ...  # such as ["a", "c"]
# END SOLUTION

# %%
lab.check("restarts")

# %% [markdown]
# ## What you can now answer
#
# - *What is a micro-batch, and how does it differ from batch and from streaming proper?* The same query over what is new, planned in `offsets`, confirmed in `commits`. Latency is that of a batch; Flink, which takes event by event, is quicker.
# - *How does a stream processor keep state, and how is it kept small?* Per key and window, in the checkpoint; watermarks and time bounds let it go.
# - *What about late events?* They are waited for up to the watermark. What comes later is dropped, so choose with numbers.
# - *At least once or exactly once?* Spark repeats a batch after a crash. Exactly once takes a sink that recognises it.

# %%
lab.progress()
