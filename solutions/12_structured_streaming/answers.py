"""Right answers of another kind, and the wrong ones that people really give."""

import uuid

from pyspark.sql import functions as F

from streamgym.checks.labs import load_exercises
from streamgym.course.answers import right, wrong

lab = load_exercises("12_structured_streaming")
typed, five_minutes, modes = lab["typed"], lab["five_minutes"], lab["modes"]
archive, catalogued, paid = lab["archive"], lab["catalogued"], lab["paid"]
next_batch, once, restarts = lab["next_batch"], lab["once"], lab["restarts"]

# typed

SCHEMA = "order long, customer string, region string, product string, amount long, placed timestamp"
EVERY_ORDER, COLUMNS = "every order, and nothing else", "customer, region, product and amount"
PLACED, RUNS = "the time at which the order was placed", "the query runs"


def parsed(raw, schema=SCHEMA):
    value = F.from_json(F.col("value").cast("string"), schema)
    return raw.select("timestamp", value.alias("o")).select("o.*", "timestamp")


@right(typed)
def field_by_field(raw):
    text = F.col("value").cast("string")
    fields = {name: F.get_json_object(text, f"$.{name}") for name in SCHEMA.split()[::2]}
    fields |= {name: fields[name].cast("long") for name in ("order", "amount")}
    fields["placed"] = F.to_timestamp(fields["placed"])
    return raw.select(*(c.alias(n) for n, c in fields.items())).dropna(subset=["order"])


@wrong(typed, misconception="processing time for event time", fails=PLACED, hint=2)
def kafkas_time(raw):
    return parsed(raw).where("order IS NOT NULL").withColumn("placed", F.col("timestamp"))


@wrong(typed, misconception="the time zone cut off", fails=PLACED, hint=3)
def without_its_offset(raw):
    text = parsed(raw, SCHEMA.replace("timestamp", "string")).where("order IS NOT NULL")
    return text.withColumn("placed", F.to_timestamp(F.substring("placed", 1, 19)))


@wrong(typed, misconception="whatever cannot be read becomes a row", fails=EVERY_ORDER, hint=4)
def pings_too(raw):
    return parsed(raw)


@wrong(typed, misconception="all is text", fails=COLUMNS, hint=5)
def amounts_as_text(raw):
    return parsed(raw, SCHEMA.replace("amount long", "amount string")).where("order IS NOT NULL")


@wrong(typed, misconception="the bytes taken for a struct", fails=RUNS, hint=1)
def bytes_as_a_struct(raw):
    return raw.select("value.*")


# five_minutes

WINDOWS, ORDERS, REVENUE = (
    "the right windows come out",
    "orders of each window",
    "revenue of each window",
)
OPEN, ONCE_EACH = "only open windows are kept in state", "each window comes out once"


def windowed(orders, column="placed", size="5 minutes", slide=None, keys=()):
    window = F.window(column, size, slide) if slide else F.window(column, size)
    return (
        orders.groupBy(window.alias("window"), *keys)
        .agg(F.count("*").alias("orders"), F.sum("amount").alias("revenue"))
        .select("window.start", "orders", "revenue")
    )


def waiting(orders, patience="20 minutes", column="placed"):
    return orders.withWatermark(column, patience)


@right(five_minutes)
def in_seconds(orders):
    slim = orders.select("placed", F.col("amount").alias("cents"))
    summed = waiting(slim, "1200 seconds").groupBy(F.window("placed", "300 seconds"))
    summed = summed.agg(F.sum("cents").alias("revenue"), F.count("cents").alias("orders"))
    return summed.selectExpr("window.start AS start", "revenue", "orders")


@wrong(five_minutes, misconception="processing time for event time", fails=WINDOWS, hint=2)
def windows_of_arrival(orders):
    return windowed(waiting(orders, column="arrived"), column="arrived")


@wrong(five_minutes, misconception="watermark without lateness", fails=WINDOWS, hint=3)
def waits_for_nobody(orders):
    return windowed(waiting(orders, "0 seconds"))


@wrong(five_minutes, misconception="state never released", fails=OPEN, hint=4)
def waits_for_a_year(orders):
    return windowed(waiting(orders, "365 days"))


@wrong(five_minutes, misconception="no watermark", fails=RUNS, hint=5)
def without_watermark(orders):
    return windowed(orders)


@wrong(five_minutes, misconception="watermark after the aggregation", fails=RUNS, hint=5)
def watermark_too_late(orders):
    return windowed(orders).withWatermark("start", "20 minutes")


@wrong(five_minutes, misconception="watermark on the wrong column", fails=RUNS, hint=5)
def watermark_elsewhere(orders):
    return windowed(waiting(orders, column="arrived"))


@wrong(five_minutes, misconception="windows shifted by the time zone", fails=WINDOWS, hint=6)
def in_local_time(orders):
    local = windowed(waiting(orders))
    return local.withColumn("start", F.from_utc_timestamp("start", "Europe/Vienna"))


@wrong(five_minutes, misconception="sliding where tumbling is due", fails=ORDERS, hint=7)
def overlapping(orders):
    return windowed(waiting(orders), size="10 minutes", slide="5 minutes")


@wrong(five_minutes, misconception="a row per window and key", fails=ONCE_EACH, hint=1)
def per_region(orders):
    return windowed(waiting(orders), keys=["region"])


@wrong(five_minutes, misconception="revenue of another column", fails=REVENUE, hint=1)
def mean_for_sum(orders):
    return windowed(waiting(orders)).withColumn("revenue", F.expr("revenue DIV orders"))


# modes

APPEND, UPDATE, COMPLETE = (
    f"the queries that Spark starts in {mode} mode" for mode in ("append", "update", "complete")
)


def rule(query):
    aggregated = "groupBy" in query
    closes = "withWatermark" in query and "window" in query
    return {
        "append": "orderBy" not in query and (closes or not aggregated),
        "update": "orderBy" not in query and "join" not in query,
        "complete": aggregated,
    }


@right(modes)
def by_rule(task):
    return {
        letter: [mode for mode, ok in rule(query).items() if ok]
        for letter, query in task["queries"].items()
    }


def all_but(task, mode, where):
    found = by_rule.answer(task)
    for letter, query in task["queries"].items():
        if where(query) and mode not in found[letter]:
            found[letter].append(mode)
    return found


@wrong(modes, misconception="append without a watermark", fails=APPEND, hint=2)
def any_window_closes(task):
    return all_but(task, "append", lambda query: "groupBy" in query and "orderBy" not in query)


@wrong(modes, misconception="complete where append is due", fails=COMPLETE, hint=3)
def complete_for_all(task):
    return all_but(task, "complete", lambda query: True)


@wrong(modes, misconception="update for all", fails=UPDATE, hint=4)
def update_for_all(task):
    return all_but(task, "update", lambda query: True)


@wrong(modes, misconception="the modes as one text", fails=APPEND, hint=2)
def one_mode(task):
    return "append"


# archive

TRIGGER, THERE = "the query's trigger", "every order is there"
NOT_TWICE, OWN = "no order is there twice", "only its own region"


def parquet(frame, path, checkpoint):
    writer = frame.writeStream.format("parquet").option("path", path)
    return writer.option("checkpointLocation", checkpoint)


def each_batch(orders, checkpoint, function):
    return orders.writeStream.foreachBatch(function).option("checkpointLocation", checkpoint)


def of_region(orders, region, folder):
    return parquet(
        orders.where(F.col("region") == region), f"{folder}/{region}", f"{folder}/of_{region}"
    )


@right(archive)
def checkpoint_beside_the_files(orders, region, folder):
    kept = orders.where(f"region = '{region}'").select("order", "customer", "amount", "region")
    return (
        kept.writeStream.outputMode("append")
        .trigger(availableNow=True)
        .options(path=f"{folder}/{region}", checkpointLocation=f"{folder}/{region}/_checkpoint")
    )


@wrong(archive, misconception="a trigger that never ends", fails=TRIGGER, hint=2)
def every_minute(orders, region, folder):
    return of_region(orders, region, folder).trigger(processingTime="1 minute")


@wrong(archive, misconception="a trigger that never ends", fails=TRIGGER, hint=2)
def by_default(orders, region, folder):
    return of_region(orders, region, folder)


@wrong(archive, misconception="all in one micro-batch", fails=TRIGGER, hint=3)
def all_at_once(orders, region, folder):
    return of_region(orders, region, folder).trigger(once=True)


@wrong(archive, misconception="checkpoint directory shared by two queries", fails=THERE, hint=4)
def one_checkpoint(orders, region, folder):
    kept = orders.where(F.col("region") == region)
    writer = parquet(kept, f"{folder}/{region}", f"{folder}/checkpoint")
    return writer.trigger(availableNow=True)


@wrong(archive, misconception="a new checkpoint every time", fails=THERE, hint=5)
def forgetful(orders, region, folder):
    kept = orders.where(F.col("region") == region)
    # The file sink's own list knows batches by number, and skips those that it has: other records.
    writer = parquet(kept, f"{folder}/{region}", f"{folder}/{uuid.uuid4()}")
    return writer.trigger(availableNow=True)


@wrong(archive, misconception="a new checkpoint every time", fails=NOT_TWICE, hint=5)
def forgetful_batches(orders, region, folder):
    path = f"{folder}/{region}"

    def append(batch, number):
        batch.write.mode("append").parquet(path)

    kept = orders.where(F.col("region") == region)
    return each_batch(kept, f"{folder}/{uuid.uuid4()}", append).trigger(availableNow=True)


@wrong(archive, misconception="not filtered", fails=OWN, hint=6)
def everything(orders, region, folder):
    writer = parquet(orders, f"{folder}/{region}", f"{folder}/of_{region}")
    return writer.trigger(availableNow=True)


@wrong(archive, misconception="complete where append is due", fails=RUNS, hint=7)
def complete_files(orders, region, folder):
    return of_region(orders, region, folder).outputMode("complete").trigger(availableNow=True)


# catalogued

ALL_ONCE, CATEGORY, NO_STATE = (
    "every order comes out once",
    "the category of each order",
    "nothing is kept in state",
)


@right(catalogued)
def broadcast_and_renamed(orders, catalogue, output, checkpoint):
    table = orders.sparkSession.read.parquet(catalogue).withColumnRenamed("product", "name")
    joined = orders.alias("o").join(F.broadcast(table), F.expr("o.product = name"), "left_outer")
    return parquet(joined.drop("name"), output, checkpoint).trigger(availableNow=True)


@wrong(catalogued, misconception="inner join loses unmatched orders", fails=ALL_ONCE, hint=2)
def inner(orders, catalogue, output, checkpoint):
    table = orders.sparkSession.read.parquet(catalogue)
    return parquet(orders.join(table, "product"), output, checkpoint)


def as_stream(orders, catalogue):
    schema = "product string, category string"
    return orders.sparkSession.readStream.schema(schema).parquet(catalogue)


@wrong(catalogued, misconception="static side read as a stream", fails=NO_STATE, hint=3)
def two_streams(orders, catalogue, output, checkpoint):
    return parquet(orders.join(as_stream(orders, catalogue), "product"), output, checkpoint)


@wrong(catalogued, misconception="static side read as a stream", fails=RUNS, hint=3)
def two_streams_outer(orders, catalogue, output, checkpoint):
    joined = orders.join(as_stream(orders, catalogue), "product", "left")
    return parquet(joined, output, checkpoint)


@wrong(catalogued, misconception="the catalogue not used", fails=CATEGORY, hint=1)
def without_category(orders, catalogue, output, checkpoint):
    return parquet(orders.withColumn("category", F.lit("")), output, checkpoint)


# paid

FOUND = "a payment in time is found"
UNPAID = "an order that nobody paid in time comes out without a payment"
FORGOTTEN, NO_REPEAT = "what cannot match any more is forgotten", "no order comes out twice"
IN_TIME = "paid BETWEEN placed AND placed + INTERVAL 15 MINUTES"


def join(orders, payments, how, bound=IN_TIME, left="placed", right="paid"):
    orders = orders.withWatermark(left, "10 minutes") if left else orders
    payments = payments.withWatermark(right, "10 minutes") if right else payments
    payments = payments.withColumnRenamed("order", "number")
    joined = orders.join(payments, F.expr(f"order = number AND {bound}"), how)
    return joined.select("order", "paid")


@right(paid)
def from_the_other_side(orders, payments):
    money = payments.select(F.col("order").alias("for"), "paid").withWatermark(
        "paid", "600 seconds"
    )
    due = orders.select("order", "placed").withWatermark("placed", "600 seconds")
    condition = (
        (F.col("for") == F.col("order"))
        & (F.col("paid") >= F.col("placed"))
        & (F.col("paid") <= F.col("placed") + F.expr("INTERVAL 900 SECONDS"))
    )
    return money.join(due, condition, "right_outer").drop("for", "placed")


@wrong(paid, misconception="inner join loses unmatched orders", fails=UNPAID, hint=2)
def only_paid(orders, payments):
    return join(orders, payments, "inner")


@wrong(paid, misconception="no time bound in the join", fails=UNPAID, hint=3)
def however_late(orders, payments):
    return join(orders, payments, "inner", bound="true")


@wrong(paid, misconception="no time bound in the join", fails=RUNS, hint=5)
def outer_without_bound(orders, payments):
    return join(orders, payments, "left", bound="true")


@wrong(paid, misconception="no watermark in a stream-stream join", fails=FORGOTTEN, hint=4)
def never_forgets(orders, payments):
    return join(orders, payments, "inner", left="", right="")


@wrong(paid, misconception="a watermark on one side only", fails=FORGOTTEN, hint=4)
def one_watermark(orders, payments):
    return join(orders, payments, "left", left="")


@wrong(paid, misconception="watermark on the wrong column", fails=RUNS, hint=5)
def watermark_of_arrival(orders, payments):
    return join(orders, payments, "left", left="arrived", right="")


@wrong(paid, misconception="the bound counted from the wrong side", fails=FOUND, hint=1)
def before_the_order(orders, payments):
    return join(orders, payments, "left", "paid BETWEEN placed - INTERVAL 15 MINUTES AND placed")


@wrong(paid, misconception="a union for a join", fails=NO_REPEAT, hint=1)
def side_by_side(orders, payments):
    none = orders.selectExpr("order", "CAST(NULL AS timestamp) AS paid")
    return none.unionByName(payments.select("order", "paid"))


# next_batch

CONFIRMED, UNCONFIRMED = "the last batch is confirmed", "the last batch is not confirmed"


@right(next_batch)
def by_numbers(offsets, commits, latest, at_most):
    number = max(commits, default=-1) + 1
    ends = [0, *offsets]
    planned = ends[number + 1 :]
    return number, ends[number], (*planned, min(ends[number] + at_most, latest))[0]


@wrong(next_batch, misconception="a planned batch is done", fails=UNCONFIRMED, hint=2)
def always_a_new_one(offsets, commits, latest, at_most):
    first = offsets[-1] if offsets else 0
    return [len(offsets), first, min(latest, first + at_most)]


@wrong(
    next_batch, misconception="a repeated batch takes what is there now", fails=UNCONFIRMED, hint=3
)
def planned_anew(offsets, commits, latest, at_most):
    first = offsets[len(commits) - 1] if commits else 0
    return [len(commits), first, min(latest, first + at_most)]


@wrong(next_batch, misconception="all is read again", fails=CONFIRMED, hint=4)
def from_the_start(offsets, commits, latest, at_most):
    return [len(commits), 0, min(latest, at_most)]


@wrong(next_batch, misconception="no limit", fails=CONFIRMED, hint=5)
def without_limit(offsets, commits, latest, at_most):
    number, first, end = by_numbers.answer(offsets, commits, latest, at_most)
    return [number, first, end if number < len(offsets) else latest]


# once

ENDS = "the query ends in order"
CLEAN_TWICE, CLEAN_MISSING, CRASH_TWICE, CRASH_MISSING = (
    f"{when}: {what}"
    for when in ("without a crash", "after any crash")
    for what in ("no order counts twice", "no order is missing")
)
ADD = (
    "INSERT INTO revenue VALUES (%s, %s, %s) ON CONFLICT (customer) DO UPDATE SET"
    " orders = revenue.orders + EXCLUDED.orders, cents = revenue.cents + EXCLUDED.cents"
)


def per_customer(batch):
    found = {}
    for row in batch.select("customer", "amount").collect():
        number, cents = found.get(row.customer, (0, 0))
        found[row.customer] = (number + 1, cents + row.amount)
    return [(customer, *both) for customer, both in sorted(found.items())]


def sink(orders, url, checkpoint, statement=ADD, before=(), after=()):
    """Book a batch, with statements about its number before and after, each "own" if in its own."""
    summed = per_customer

    def book(batch, number):
        import psycopg

        rows = summed(batch)
        with psycopg.connect(url) as db:
            for text in before:
                if text == "COMMIT":
                    db.commit()
                elif "SELECT" in text and db.execute(text, [number]).fetchone():
                    return
                elif "SELECT" not in text:
                    db.execute(text, [number])
            db.cursor().executemany(statement, rows)
            for text in after:
                db.commit() if text == "COMMIT" else db.execute(text, [number])

    return each_batch(orders, checkpoint, book)


ASK, NOTE = "SELECT 1 FROM batches WHERE batch = %s", "INSERT INTO batches VALUES (%s)"


@right(once)
def orders_of_its_own(orders, url, checkpoint):
    def book(batch, number):
        import psycopg

        rows = [(row.order, row.customer, row.amount) for row in batch.collect()]
        with psycopg.connect(url) as db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS booked (id bigint PRIMARY KEY, customer text, cents bigint)"
            )
            db.cursor().executemany(
                "INSERT INTO booked VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", rows
            )
            db.execute("DELETE FROM revenue")
            db.execute(
                "INSERT INTO revenue SELECT customer, count(*), sum(cents) FROM booked GROUP BY 1"
            )

    return each_batch(orders, checkpoint, book)


@wrong(once, misconception="foreachBatch append without the batch id", fails=CRASH_TWICE, hint=2)
def adds_every_time(orders, url, checkpoint):
    return sink(orders, url, checkpoint)


@wrong(once, misconception="the ledger in a later transaction", fails=CRASH_TWICE, hint=3)
def notes_afterwards(orders, url, checkpoint):
    return sink(orders, url, checkpoint, before=[ASK], after=["COMMIT", NOTE])


@wrong(once, misconception="the ledger in an earlier transaction", fails=CRASH_MISSING, hint=3)
def notes_before(orders, url, checkpoint):
    return sink(orders, url, checkpoint, before=[ASK, NOTE, "COMMIT"])


@wrong(once, misconception="skip by the highest id seen", fails=CLEAN_MISSING, hint=4)
def above_the_highest(orders, url, checkpoint):
    def book(batch, number):
        import psycopg

        with psycopg.connect(url) as db:
            highest = db.execute("SELECT coalesce(max(batch), 0) FROM batches").fetchone()[0]
            for row in batch.where(f"order > {highest}").orderBy("order").collect():
                db.execute(ADD, (row.customer, 1, row.amount))
                db.execute("INSERT INTO batches VALUES (%s)", [row.order])

    return each_batch(orders, checkpoint, book)


@wrong(once, misconception="the last batch overwrites the sums", fails=CLEAN_MISSING, hint=5)
def overwrites(orders, url, checkpoint):
    text = ADD.replace("revenue.orders + ", "").replace("revenue.cents + ", "")
    return sink(orders, url, checkpoint, text)


@wrong(once, misconception="inserted, and added again", fails=CLEAN_TWICE, hint=1)
def inserts_and_adds(orders, url, checkpoint):
    text = "INSERT INTO revenue VALUES (%s, 0, 0) ON CONFLICT DO NOTHING".replace("0, 0", "%s, %s")

    def book(batch, number):
        import psycopg

        sums = batch.groupBy("customer").agg(F.count("*"), F.sum("amount")).collect()
        with psycopg.connect(url) as db:
            for customer, number, cents in sums:
                db.execute(text, (customer, number, cents))
                update = "UPDATE revenue SET orders = orders + %s, cents = cents + %s WHERE customer = %s"
                db.execute(update, (number, cents, customer))

    return each_batch(orders, checkpoint, book)


@wrong(once, misconception="every customer is new", fails=ENDS, hint=1)
def inserts_only(orders, url, checkpoint):
    return sink(orders, url, checkpoint, "INSERT INTO revenue VALUES (%s, %s, %s)")


# restarts

REFUSED, TAKEN = "Spark refuses it", "Spark takes it"
HARSH = ("another topic", "second aggregate", "average", "per region and customer", "dropDup")


def letters(task, *words):
    return [x for x, change in task["changes"].items() if any(word in change for word in words)]


@right(restarts)
def all_that_stands_in_state(task):
    return set(task["changes"]) - set(
        letters(task, "maxOffsets", "filtered", "called", "waits", "windows are")
    )


@wrong(restarts, misconception="other windows are refused", fails=TAKEN, hint=5)
def windows_too(task):
    return letters(task, *HARSH, "windows are")


@wrong(restarts, misconception="nothing may change", fails=TAKEN, hint=3)
def anything(task):
    return list(task["changes"])


@wrong(restarts, misconception="aggregates may change", fails=REFUSED, hint=2)
def only_sources(task):
    return letters(task, "another topic", "dropDup")


@wrong(restarts, misconception="the source and the operators may change", fails=REFUSED, hint=4)
def only_aggregates(task):
    return letters(task, *HARSH[1:4])
