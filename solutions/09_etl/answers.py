"""Right answers of another kind, and the wrong ones that people really give."""

import textwrap
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pandas as pd
from pyspark.sql import Window
from pyspark.sql import functions as F

from streamgym.checks.labs import load_exercises
from streamgym.course.answers import right, swap, wrong

lab = load_exercises("09_etl")
clean, daily_totals, next_batch = lab["clean"], lab["daily_totals"], lab["next_batch"]
upsert, incremental, apply_changes = lab["upsert"], lab["incremental"], lab["apply_changes"]
daily_sales, with_rejects, quality = lab["daily_sales"], lab["with_rejects"], lab["quality"]
daily_files, reads = lab["daily_files"], lab["reads"]

ZONE = "America/New_York"
NO_LOSS = "after any crash: no purchase is missing"
NO_DOUBLE = "after any crash: no purchase is counted twice"

# clean

MOMENT = "sold_at is the moment of the sale, in UTC"
OWN_DAY = "the day is the shop's own"
AMOUNT = "the amount is exact to the cent"


@right(clean)
def row_by_row(raw):
    rows = []
    for row in raw.to_dict("records"):
        sold_at = datetime.fromisoformat(row["sold_at"])
        rows.append(
            {
                "purchase": int(row["purchase"]),
                "store": int(row["store"]),
                "sold_at": sold_at.astimezone(UTC),
                "day": sold_at.date(),
                "amount": Decimal(row["price"]) - Decimal(row["discount"] or "0"),
            }
        )
    return pd.DataFrame(rows)


def cleaned(raw, **columns):
    return row_by_row.answer(raw).assign(**columns)


@wrong(clean, misconception="time zone lost: the offset cut off", fails=MOMENT, hint=2)
def offset_cut_off(raw):
    return cleaned(raw, sold_at=pd.to_datetime(raw["sold_at"].str[:19], utc=True))


@wrong(clean, misconception="time zone lost: a time without a zone", fails=MOMENT, hint=3)
def without_a_zone(raw):
    sold_at = pd.to_datetime(raw["sold_at"], utc=True)
    return cleaned(raw, sold_at=sold_at.dt.tz_localize(None))


@wrong(clean, misconception="the day of UTC for the shop's", fails=OWN_DAY, hint=4)
def day_of_utc(raw):
    sold_at = pd.to_datetime(raw["sold_at"], utc=True)
    return cleaned(raw, day=sold_at.dt.strftime("%Y-%m-%d"))


@wrong(clean, misconception="decimal money as float", fails=AMOUNT, hint=5)
def money_as_float(raw):
    discount = raw["discount"].fillna("0").astype(float)
    return cleaned(raw, amount=raw["price"].astype(float) - discount)


@wrong(clean, misconception="a Decimal made of a float", fails=AMOUNT, hint=6)
def decimal_of_float(raw):
    return cleaned(raw, amount=money_as_float.answer(raw)["amount"].map(Decimal).astype(object))


@wrong(clean, misconception="minus a missing value", fails=AMOUNT, hint=7)
def minus_missing(raw):
    price, discount = raw["price"].map(Decimal), raw["discount"].map(Decimal, na_action="ignore")
    return cleaned(raw, amount=(price - discount).astype(object))


@wrong(clean, misconception="the price for what was paid", fails=AMOUNT, hint=8)
def price_only(raw):
    return cleaned(raw, amount=raw["price"].map(Decimal))


@wrong(
    clean,
    misconception="bad or unusual rows dropped silently",
    fails="every purchase is there once, as a whole number",
    hint=1,
)
def rows_dropped(raw):
    return row_by_row.answer(raw.dropna())


# daily_totals


def looping(script, body, head="(last,) = warehouse"):
    """Return the script with another loop."""
    return script[: script.index(head)] + textwrap.dedent(body)


BEGIN = """
(last,) = warehouse.execute("SELECT purchase FROM checkpoint").fetchone()
"""


@right(daily_totals)
def with_commit(script):
    return looping(
        script,
        BEGIN
        + """
warehouse.autocommit = False
warehouse.commit()
while rows := extract(last):
    for _, day, amount in rows:
        warehouse.execute(ADD, [day, amount])
    last = rows[-1][0]
    warehouse.execute(SAVE, [last])
    warehouse.commit()
""",
    )


@right(daily_totals)
def all_anew(script):
    return looping(
        script,
        """
with warehouse.transaction():
    warehouse.execute("DELETE FROM daily_totals")
    last = 0
    while rows := extract(last):
        warehouse.cursor().executemany(ADD, [row[1:] for row in rows])
        last = rows[-1][0]
    warehouse.execute(SAVE, [last])
""",
    )


@wrong(daily_totals, misconception="checkpoint saved before the batch", fails=NO_LOSS, hint=2)
def checkpoint_first(script):
    return looping(
        script,
        BEGIN
        + """
while rows := extract(last):
    last = rows[-1][0]
    warehouse.execute(SAVE, [last])
    with warehouse.transaction():
        warehouse.cursor().executemany(ADD, [row[1:] for row in rows])
""",
    )


@wrong(
    daily_totals,
    misconception="checkpoint in another transaction than the data",
    fails=NO_DOUBLE,
    hint=3,
)
def checkpoint_afterwards(script):
    return looping(
        script,
        BEGIN
        + """
while rows := extract(last):
    last = rows[-1][0]
    with warehouse.transaction():
        warehouse.cursor().executemany(ADD, [row[1:] for row in rows])
    warehouse.execute(SAVE, [last])
""",
    )


@wrong(daily_totals, misconception="no checkpoint at all", fails=NO_DOUBLE, hint=3)
def from_the_begin(script):
    return looping(
        script,
        """
last = 0
while rows := extract(last):
    last = rows[-1][0]
    with warehouse.transaction():
        warehouse.cursor().executemany(ADD, [row[1:] for row in rows])
""",
    )


@wrong(
    daily_totals, misconception="checkpoint in a file, data in the table", fails=NO_DOUBLE, hint=3
)
def checkpoint_in_a_file(script):
    return looping(
        script,
        """
from pathlib import Path

place = Path("checkpoint")
last = int(place.read_text()) if place.exists() else 0
while rows := extract(last):
    last = rows[-1][0]
    with warehouse.transaction():
        warehouse.cursor().executemany(ADD, [row[1:] for row in rows])
    place.write_text(str(last))
""",
    )


@wrong(
    daily_totals,
    misconception="a total replaced instead of added to",
    fails="without a crash: no purchase is missing",
    hint=4,
)
def replaced(script):
    return swap(script, "daily_totals.purchases + 1", "EXCLUDED.purchases")


@wrong(
    daily_totals,
    misconception="every statement twice to be sure",
    fails="without a crash: no purchase is counted twice",
    hint=3,
)
def added_twice(script):
    line = "        warehouse.execute(SAVE, [last])"
    again = "        warehouse.cursor().executemany(ADD, [row[1:] for row in rows])\n"
    return swap(script, line, again + line)


@wrong(
    daily_totals,
    misconception="append where an upsert is due",
    fails="the worker ends in order",
    hint=1,
)
def plain_rows(script):
    return swap(script, "ADD = ", 'ADD = "INSERT INTO daily_totals VALUES (%s, 1, %s)"\nUPSERT = ')


# next_batch

NEXT, TIES, NOTHING = (
    "the next rows, oldest first",
    "rows that share the mark's time",
    "nothing is left",
)


@right(next_batch)
def by_tuples(rows, time, purchase, size):
    pairs = sorted(zip(rows["updated_at"], rows["purchase"], strict=True))
    chosen = [number for at, number in pairs if (at, number) > (time, purchase)][:size]
    return rows.set_index("purchase").loc[chosen].reset_index()


@right(next_batch)
def by_position(rows, time, purchase, size):
    ordered = rows.sort_values(["updated_at", "purchase"], ignore_index=True)
    at = ordered.index[(ordered["updated_at"] == time) & (ordered["purchase"] == purchase)][0]
    return ordered.iloc[at + 1 : at + 1 + size]


@wrong(next_batch, misconception="incremental by > with clock ties lost", fails=TIES, hint=2)
def greater(rows, time, purchase, size):
    newer = rows[rows["updated_at"] > time]
    return newer.sort_values(["updated_at", "purchase"]).head(size)


@wrong(next_batch, misconception="incremental by >=", fails=TIES, hint=3)
def greater_or_equal(rows, time, purchase, size):
    newer = rows[rows["updated_at"] >= time]
    return newer.sort_values(["updated_at", "purchase"]).head(size)


@wrong(next_batch, misconception="incremental by >=: the job never ends", fails=NOTHING, hint=3)
def never_at_the_end(rows, time, purchase, size):
    newer = rows[(rows["updated_at"] >= time) & (rows["purchase"] >= purchase)]
    return newer.sort_values(["updated_at", "purchase"]).head(size)


@wrong(next_batch, misconception="incremental by processing time", fails=NEXT, hint=6)
def by_the_clock(rows, time, purchase, size):
    since = datetime.now(UTC) - timedelta(days=1)
    return rows[rows["updated_at"] > since].sort_values(["updated_at", "purchase"]).head(size)


@wrong(next_batch, misconception="cut before sorting", fails=NEXT, hint=4)
def unsorted(rows, time, purchase, size):
    return rows[rows["updated_at"] > time].head(size)


@wrong(next_batch, misconception="the key must grow with the time", fails=NEXT, hint=1)
def both_greater(rows, time, purchase, size):
    newer = rows[(rows["updated_at"] >= time) & (rows["purchase"] > purchase)]
    return newer.sort_values(["updated_at", "purchase"]).head(size)


# upsert

STORIES = [
    "new rows are added",
    "the same batch twice is as once",
    "a correction takes the old row's place",
    "an older version never replaces a newer",
    "several versions come in one batch",
]
HEAD = "INSERT INTO sales (purchase, amount, version) "
ONE_EACH = "SELECT DISTINCT ON (purchase) purchase, amount, version FROM staging ORDER BY purchase, version DESC "
REPLACE = (
    "ON CONFLICT (purchase) DO UPDATE SET amount = EXCLUDED.amount, version = EXCLUDED.version"
)


@right(upsert)
def by_row_number(task):
    return """
    WITH newest AS (
        SELECT *, row_number() OVER (PARTITION BY purchase ORDER BY version DESC) AS n FROM staging)
    INSERT INTO sales SELECT purchase, amount, version FROM newest WHERE n = 1
    ON CONFLICT (purchase) DO UPDATE SET (amount, version) = (EXCLUDED.amount, EXCLUDED.version)
    WHERE EXCLUDED.version > sales.version"""


@right(upsert)
def by_merge(task):
    return f"""
    MERGE INTO sales USING ({ONE_EACH}) AS new ON sales.purchase = new.purchase
    WHEN MATCHED AND new.version > sales.version
        THEN UPDATE SET amount = new.amount, version = new.version
    WHEN NOT MATCHED THEN INSERT VALUES (new.purchase, new.amount, new.version)"""


@wrong(upsert, misconception="append where an upsert is due", fails=STORIES[1], hint=2)
def appended(task):
    return f"{HEAD} {ONE_EACH}"


@wrong(upsert, misconception="DO NOTHING: corrections lost", fails=STORIES[2], hint=3)
def do_nothing(task):
    return f"{HEAD} {ONE_EACH} ON CONFLICT DO NOTHING"


@wrong(upsert, misconception="an older version overwrites a newer one", fails=STORIES[3], hint=4)
def whatever_comes(task):
    return f"{HEAD} {ONE_EACH} {REPLACE}"


@wrong(upsert, misconception="one batch touches a row twice", fails=STORIES[4], hint=5)
def not_one_each(task):
    return f"{HEAD} SELECT * FROM staging {REPLACE} WHERE sales.version < EXCLUDED.version"


@wrong(upsert, misconception="any version of a batch", fails=STORIES[4], hint=6)
def oldest_of_batch(task):
    oldest = ONE_EACH.replace(" DESC", "")
    return f"{HEAD} {oldest} {REPLACE} WHERE sales.version < EXCLUDED.version"


@wrong(upsert, misconception="only what is there already is updated", fails=STORIES[0], hint=6)
def update_only(task):
    return """UPDATE sales SET amount = staging.amount, version = staging.version
              FROM staging WHERE staging.purchase = sales.purchase AND staging.version > sales.version"""


@wrong(upsert, misconception="no SQL", fails=STORIES[0], hint=1)
def no_sql(task):
    return "UPSERT INTO sales SELECT * FROM staging"


# incremental

SETUP = "EXTRACT = "
CLEAN = "without a crash: "
CRASHED = "after any crash: "
NEW_ROWS = "every new row is there"
CORRECTED = "every correction is there"
TIED = "every row of a bulk update is there"
LATE_ROWS = "rows that were committed late are there"
OLD_ROWS = "rows from before the overlap are left alone"
MARK = "the checkpoint is the newest row that was loaded"
PAIR = "(updated_at, purchase) > (%s, %s) ORDER BY updated_at, purchase LIMIT %s"
IN_ONE = "    with warehouse.transaction():\n        warehouse.cursor().executemany(LOAD, rows)\n        warehouse.execute(SAVE, [time, purchase])"


@right(incremental)
def checkpoint_follows(script):
    apart = "    warehouse.cursor().executemany(LOAD, rows)\n    warehouse.execute(SAVE, [time, purchase])"
    return swap(script, IN_ONE, apart)


@right(incremental)
def delete_and_insert(script):
    body = """
    time, purchase = time - OVERLAP, 0
    while True:
        rows = shop.execute('''SELECT * FROM purchases
            WHERE updated_at > %(time)s OR (updated_at = %(time)s AND purchase > %(purchase)s)
            ORDER BY updated_at, purchase LIMIT %(size)s''',
            {"time": time, "purchase": purchase, "size": BATCH}).fetchall()
        if not rows:
            break
        with warehouse.transaction():
            warehouse.execute("DELETE FROM sales WHERE purchase = ANY(%s)", [[r[0] for r in rows]])
            warehouse.cursor().executemany("INSERT INTO sales VALUES (%s, %s, %s, %s)", rows)
            time, purchase = rows[-1][3], rows[-1][0]
            warehouse.execute(SAVE, [time, purchase])
    """
    return looping(script, body, SETUP)


@wrong(
    incremental,
    misconception="append where an upsert is due",
    fails="the worker ends in order",
    hint=1,
)
def plain_insert(script):
    begin, end = (
        script.index("          ON CONFLICT (purchase)"),
        script.index('"""\n\ntime, purchase = time'),
    )
    return script[:begin] + script[end:]


@wrong(
    incremental,
    misconception="incremental by >=: the last batch without end",
    fails="the worker ends in order",
    hint=1,
)
def at_least(script):
    other = swap(script, PAIR, "updated_at >= %s ORDER BY updated_at, purchase LIMIT %s")
    return swap(other, "[time, purchase, BATCH]", "[time, BATCH]")


@wrong(
    incremental, misconception="incremental by > with clock ties lost", fails=CLEAN + TIED, hint=4
)
def later_only(script):
    other = swap(script, PAIR, "updated_at > %s ORDER BY updated_at, purchase LIMIT %s")
    return swap(other, "[time, purchase, BATCH]", "[time, BATCH]")


@wrong(incremental, misconception="late rows missed: no overlap", fails=CLEAN + LATE_ROWS, hint=5)
def without_overlap(script):
    return swap(script, "time, purchase = time - OVERLAP, 0\n", "")


@wrong(incremental, misconception="corrections ignored", fails=CLEAN + CORRECTED, hint=3)
def new_ones_only(script):
    begin, end = script.index("DO UPDATE SET store"), script.index('"""\n\ntime, purchase = time')
    return script[:begin] + "DO NOTHING" + script[end:]


@wrong(incremental, misconception="a full load each night", fails=CLEAN + OLD_ROWS, hint=6)
def everything(script):
    return swap(script, "time - OVERLAP, 0", "time - 1000 * OVERLAP, 0")


@wrong(
    incremental,
    misconception="watermark taken from the clock of the machine",
    fails=CLEAN + MARK,
    hint=7,
)
def clock_of_the_machine(script):
    other = swap(
        script, "from datetime import timedelta", "from datetime import UTC, datetime, timedelta"
    )
    return swap(
        other, "execute(SAVE, [time, purchase])", "execute(SAVE, [datetime.now(UTC), purchase])"
    )


@wrong(incremental, misconception="incremental by processing time", fails=CLEAN + NEW_ROWS, hint=8)
def since_yesterday(script):
    other = swap(
        script, "from datetime import timedelta", "from datetime import UTC, datetime, timedelta"
    )
    return swap(other, "time - OVERLAP, 0", "datetime.now(UTC) - timedelta(days=1), 0")


@wrong(incremental, misconception="one batch a night", fails=CLEAN + NEW_ROWS, hint=8)
def one_batch(script):
    return script.rstrip() + "\n    break\n"


@wrong(
    incremental,
    misconception="checkpoint saved before the batches: the newest time there is",
    fails=CRASHED + NEW_ROWS,
    hint=2,
)
def saved_before(script):
    body = """
    newest = shop.execute("SELECT updated_at, purchase FROM purchases ORDER BY 1 DESC, 2 DESC").fetchone()
    warehouse.execute(SAVE, newest)
    time, purchase = time - OVERLAP, 0
    while rows := shop.execute(EXTRACT, [time, purchase, BATCH]).fetchall():
        time, purchase = rows[-1][3], rows[-1][0]
        with warehouse.transaction():
            warehouse.cursor().executemany(LOAD, rows)
    """
    return looping(script, body, "time, purchase = time - OVERLAP, 0")


# apply_changes

PLAIN, DELETES = "inserts and updates", "deletions"
SEVERAL, STALE = "several changes of one row, in any order", "a change older than the table"
COLUMNS = ["purchase", "amount", "version"]


def merged(table, changes, wins):
    found = {row["purchase"]: row | {"op": "insert"} for row in table.to_dict("records")}
    for row in changes.to_dict("records"):
        old = found.get(row["purchase"])
        if old is None or wins(old, row):
            found[row["purchase"]] = row
    kept = [row for row in found.values() if row["op"] != "delete"]
    return pd.DataFrame(kept)[COLUMNS]


@right(apply_changes)
def by_dict(table, changes):
    return merged(table, changes, lambda old, new: new["version"] > old["version"])


@right(apply_changes)
def by_largest_version(table, changes):
    known = pd.concat([table, changes], ignore_index=True)
    newest = known.loc[known.groupby("purchase")["version"].idxmax()]
    return newest[newest["op"] != "delete"][COLUMNS]


@wrong(apply_changes, misconception="deleted rows not propagated", fails=DELETES, hint=2)
def deletions_ignored(table, changes):
    return by_dict.answer(table, changes[changes["op"] != "delete"])


@wrong(apply_changes, misconception="the last that came wins", fails=SEVERAL, hint=3)
def in_order_of_arrival(table, changes):
    return merged(table, changes, lambda old, new: True)


@wrong(
    apply_changes,
    misconception="an older version overwrites a newer one",
    fails=STALE,
    hint=4,
)
def older_than_the_table(table, changes):
    newest = changes.sort_values("version").drop_duplicates("purchase", keep="last")
    untouched = table[~table["purchase"].isin(newest["purchase"])]
    return pd.concat([untouched, newest[newest["op"] != "delete"]])[COLUMNS]


@wrong(apply_changes, misconception="append where an upsert is due", fails=PLAIN, hint=5)
def both_kept(table, changes):
    return pd.concat([table, changes[changes["op"] != "delete"]])[COLUMNS]


@wrong(apply_changes, misconception="deletions first, then the rest", fails=SEVERAL, hint=6)
def deleted_first(table, changes):
    gone = changes.loc[changes["op"] == "delete", "purchase"]
    rest = changes[changes["op"] != "delete"]
    return by_dict.answer(table[~table["purchase"].isin(gone)], rest)


@wrong(
    apply_changes, misconception="what was deleted once is deleted for ever", fails=SEVERAL, hint=6
)
def deleted_for_ever(table, changes):
    gone = changes.loc[changes["op"] == "delete", "purchase"]
    found = by_dict.answer(table, changes)
    return found[~found["purchase"].isin(gone)]


# daily_sales

DAYS = "purchases and amount of each day"


def current(log):
    newest_first = Window.partitionBy("purchase").orderBy(F.desc("version"))
    return log.withColumn("n", F.row_number().over(newest_first)).where("n = 1")


def summed(rows, day=None, amount="amount"):
    day = day if day is not None else F.to_date(F.from_utc_timestamp("sold_at", ZONE)).alias("day")
    return rows.groupBy(day).agg(F.count("*").alias("purchases"), F.sum(amount).alias("amount"))


@right(daily_sales)
def by_the_newest_struct(history, changes):
    row = F.max_by(F.struct("op", "sold_at", "amount"), "version").alias("row")
    newest = history.union(changes).groupBy("purchase").agg(row).select("row.*")
    return summed(newest.where("op != 'delete'"))


@right(daily_sales)
def by_a_join(history, changes):
    log = history.union(changes)
    newest = log.groupBy("purchase").agg(F.max("version").alias("version"))
    kept = log.join(newest, ["purchase", "version"]).where(F.col("op").isin("insert", "update"))
    local = F.convert_timezone(F.lit("UTC"), F.lit(ZONE), "sold_at")
    return summed(kept, local.cast("date").alias("day"))


@wrong(daily_sales, misconception="every version counted", fails=DAYS, hint=2)
def all_versions(history, changes):
    return summed(history.union(changes))


@wrong(daily_sales, misconception="every version but deletions counted", fails=DAYS, hint=2)
def all_living_versions(history, changes):
    return summed(history.union(changes).where("op <> 'delete'"))


@wrong(daily_sales, misconception="deleted rows not propagated", fails=DAYS, hint=3)
def deleted_counted(history, changes):
    return summed(current(history.union(changes)))


@wrong(daily_sales, misconception="time zone lost: the day of UTC", fails=DAYS, hint=4)
def utc_days(history, changes):
    kept = current(history.union(changes)).where("op <> 'delete'")
    return summed(kept, F.to_date("sold_at").alias("day"))


@wrong(daily_sales, misconception="decimal money as float", fails=DAYS, hint=5)
def as_double(history, changes):
    kept = current(history.union(changes)).where("op <> 'delete'")
    return summed(kept, amount=F.col("amount").cast("double"))


@wrong(daily_sales, misconception="last night's rows only", fails=DAYS, hint=6)
def history_only(history, changes):
    return summed(current(history).where("op <> 'delete'"))


@wrong(daily_sales, misconception="deletions thrown away first", fails=DAYS, hint=7)
def deletions_dropped(history, changes):
    return summed(current(history.union(changes).where("op <> 'delete'")))


@wrong(
    daily_sales,
    misconception="a table in pandas where a query is due",
    fails="the query runs",
    hint=1,
)
def in_pandas(history, changes):
    return pd.concat([history.toPandas(), changes.toPandas()])


# with_rejects

GOOD = "every good line is loaded"
BAD = "every bad line is in rejects, with a reason"
INNOCENT = "no good line is in rejects"
ONCE = "no line is rejected twice"
LOOP = "    with db.transaction():\n        for"


def rejecting(script, body):
    return script[: script.index(LOOP)] + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")


@right(with_rejects)
def checked_before(script):
    head = """
def reason(line: str, stores: set[int]) -> str:
    try:
        sale = json.loads(line)
        if type(sale["purchase"]) is not int:
            return "no purchase"
        if Decimal(sale["amount"]) < 0:
            return "negative amount"
        return "" if sale["store"] in stores else "unknown store"
    except (ValueError, KeyError, ArithmeticError) as error:
        return repr(error)


STORES = {row[0] for row in db.execute("SELECT store FROM stores")}
(last,) = """
    body = """
    with db.transaction():
        for number, line in lines:
            if why := reason(line, STORES):
                db.execute(REJECT, [number, line, why])
            else:
                load(line)
        db.execute(SAVE, [last])
    """
    return swap(rejecting(script, body), "\n(last,) = ", head)


@right(with_rejects)
def line_by_line(script):
    return rejecting(
        script,
        """
        for number, line in lines:
            try:
                with db.transaction():
                    load(line)
                    db.execute(SAVE, [number])
            except Exception as error:
                with db.transaction():
                    db.execute(REJECT, [number, line, str(error) or "bad"])
                    db.execute(SAVE, [number])
        """,
    )


@wrong(
    with_rejects,
    misconception="one bad row fails all",
    fails="the worker ends in order",
    hint=1,
)
def all_or_nothing(script):
    return rejecting(
        script,
        """
        with db.transaction():
            for number, line in lines:
                load(line)
            db.execute(SAVE, [last])
        """,
    )


@wrong(
    with_rejects,
    misconception="no savepoint: the transaction is aborted",
    fails="the worker ends in order",
    hint=1,
)
def without_savepoint(script):
    return swap(
        script,
        "                with db.transaction():\n                    load(line)",
        "                load(line)",
    )


@wrong(with_rejects, misconception="one bad row skips its batch", fails=CLEAN + GOOD, hint=2)
def batch_skipped(script):
    return rejecting(
        script,
        """
        try:
            with db.transaction():
                for number, line in lines:
                    load(line)
        except Exception as error:
            print(number, error)
        db.execute(SAVE, [last])
        """,
    )


@wrong(with_rejects, misconception="bad rows dropped silently", fails=CLEAN + BAD, hint=3)
def dropped_silently(script):
    return swap(script, "db.execute(REJECT, [number, line, repr(error)])", "pass")


@wrong(
    with_rejects, misconception="only what cannot be parsed is rejected", fails=CLEAN + BAD, hint=3
)
def refused_are_dropped(script):
    reject = (
        "            except (ValueError, LookupError, ArithmeticError, psycopg.Error) as error:"
    )
    return swap(
        script, reject, "            except psycopg.Error:\n                pass\n" + reject
    )


@wrong(with_rejects, misconception="rejects without a reason", fails=CLEAN + BAD, hint=3)
def without_reason(script):
    return swap(script, "repr(error)", '""')


@wrong(with_rejects, misconception="the whole batch rejected", fails=CLEAN + INNOCENT, hint=5)
def batch_rejected(script):
    return rejecting(
        script,
        """
        with db.transaction():
            try:
                with db.transaction():
                    for number, line in lines:
                        load(line)
            except Exception as error:
                for number, line in lines:
                    db.execute(REJECT, [number, line, repr(error)])
            db.execute(SAVE, [last])
        """,
    )


@wrong(
    with_rejects,
    misconception="rejects in another transaction than the checkpoint",
    fails=CRASHED + ONCE,
    hint=4,
)
def rejects_apart(script):
    other = swap(
        script,
        "INSERT INTO sales VALUES (%s, %s, %s)",
        "INSERT INTO sales VALUES (%s, %s, %s) ON CONFLICT (purchase) DO UPDATE SET amount = EXCLUDED.amount",
    )
    return rejecting(
        other,
        """
        bad = []
        for number, line in lines:
            try:
                load(line)
            except Exception as error:
                bad.append([number, line, repr(error)])
        with db.transaction():
            db.cursor().executemany(REJECT, bad)
        db.execute(SAVE, [last])
        """,
    )


@wrong(
    with_rejects, misconception="checkpoint saved before the batch", fails=CRASHED + GOOD, hint=6
)
def place_saved_first(script):
    moved = (
        swap(script, "        db.execute(SAVE, [last])\n", "") if "[last])\n" in script else script
    )
    moved = moved.replace("        db.execute(SAVE, [last])", "")
    return swap(moved, LOOP, "    db.execute(SAVE, [last])\n" + LOOP)


# quality

SCORE, BROKEN = "the score", "how many rows break the rules of each column"


def bad_cells(sales, stores, missing=True, every=False):
    """Return a frame that says which cells break a rule."""
    fits = pd.DataFrame(
        {
            "purchase": ~sales["purchase"].duplicated(keep=every),
            "store": sales["store"].isin(stores),
            "quantity": sales["quantity"].between(1, 100),
            "amount": sales["amount"].between(0, 500),
        }
    )
    return (~fits & sales.notna()) | (sales.isna() if missing else False)


def counted(bad, score):
    return {"score": float(score), "broken": bad.sum().to_dict()}


@right(quality)
def by_masks(sales, stores):
    bad = bad_cells(sales, stores)
    return counted(bad, 1 - bad.any(axis=1).mean())


@wrong(quality, misconception="score over rules instead of rows", fails=SCORE, hint=2)
def over_rules(sales, stores):
    bad = bad_cells(sales, stores)
    return counted(bad, 1 - bad.any().mean())


@wrong(quality, misconception="failure cases counted instead of rows", fails=SCORE, hint=3)
def over_cases(sales, stores):
    bad = bad_cells(sales, stores)
    return counted(bad, 1 - bad.sum().sum() / len(sales))


@wrong(quality, misconception="rules that pass on missing values", fails=SCORE, hint=4)
def missing_passes(sales, stores):
    bad = bad_cells(sales, stores, missing=False)
    return counted(bad, 1 - bad.any(axis=1).mean())


@wrong(quality, misconception="rules that pass on missing values", fails=BROKEN, hint=4)
def nullable_columns(sales, stores):
    import pandera.pandas as pa

    checks = {
        "purchase": [],
        "store": [pa.Check.isin(stores)],
        "quantity": [pa.Check.in_range(1, 100)],
        "amount": [pa.Check.in_range(0, 500)],
    }
    columns = {
        name: pa.Column(float, rules, nullable=True, unique=name == "purchase")
        for name, rules in checks.items()
    }
    broken = dict.fromkeys(columns, 0)
    try:
        pa.DataFrameSchema(columns).validate(sales, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases
        broken |= cases.groupby("column")["index"].nunique().to_dict()
        return {"score": 1 - cases["index"].nunique() / len(sales), "broken": broken}
    return {"score": 1.0, "broken": broken}


@wrong(quality, misconception="the first failure ends it", fails=SCORE, hint=5)
def first_failure(sales, stores):
    bad = bad_cells(sales, stores)
    first = next((name for name in bad.columns if bad[name].any()), "purchase")
    return counted(bad[[first]], 1 - bad[first].mean())


@wrong(quality, misconception="only the copy is suspected", fails=BROKEN, hint=6)
def first_copy_spared(sales, stores):
    bad = bad_cells(sales, stores, every="first")
    return counted(bad, 1 - bad.any(axis=1).mean())


@wrong(
    quality,
    misconception="a table without a fault has no score",
    fails="the score of a table without a fault",
    hint=1,
)
def nothing_to_tell(sales, stores):
    bad = bad_cells(sales, stores)
    return by_masks.answer(sales, stores) if bad.any(axis=None) else {"score": 0.0, "broken": {}}


# daily_files

LACKS, TWICE = "no purchase is missing", "no purchase is there twice"
RIGHT_DAY, TYPES = "each purchase is in its own day", "money is decimal, and a time knows its zone"
REGISTERED = "every day is registered"
RERUN = "a day that is run again shows what has changed"
OTHERS = "the other days stay as they were"
WRITE = '        pq.write_table(table, partition / "_part")\n'
RENAME = '        (partition / "_part").replace(partition / "part.parquet")\n'
REGISTER = "        register(day, len(rows))"


@right(daily_files)
def with_pandas(script):
    body = """
    import shutil

    import pandas as pd

    QUERY = '''SELECT * FROM purchases
               WHERE (sold_at AT TIME ZONE 'America/New_York')::date = %s'''
    for day in DAYS:
        if is_loaded(day):
            continue
        found = shop.execute(QUERY, [day])
        frame = pd.DataFrame(found.fetchall(), columns=[c.name for c in found.description])
        frame["sold_at"] = pd.to_datetime(frame["sold_at"], utc=True)
        shutil.rmtree(f"sales/day={day}", ignore_errors=True)
        frame.assign(day=str(day)).to_parquet("sales", partition_cols=["day"], index=False)
        register(day, len(frame))
    """
    return looping(script, body, "EXTRACT = ")


def renamed(script, text):
    """Return the script with another way to write a day's table."""
    return swap(swap(script, WRITE, text), RENAME, "")


@wrong(
    daily_files,
    misconception="append where a partition is to be replaced",
    fails=f"after any crash: {TWICE}",
    hint=3,
)
def pandas_appends(script):
    text = '        table.to_pandas().assign(day=str(day)).to_parquet("sales", partition_cols=["day"])\n'
    return renamed(script, text)


@wrong(
    daily_files,
    misconception="files of the same name, but fewer of them this time",
    fails=f"{RERUN}: nothing old is left",
    hint=3,
)
def numbered_parts(script):
    text = """        for n in range(0, len(rows), 3):
            pq.write_table(table.slice(n, 3), partition / f"part-{n}.parquet")
"""
    return renamed(script, text)


@wrong(
    daily_files,
    misconception="overwriting all partitions",
    fails=f"without a crash: {LACKS}",
    hint=6,
)
def all_overwritten(script):
    text = '        shutil.rmtree("sales")\n        partition.mkdir(parents=True)\n'
    return swap(script, WRITE, text + WRITE).replace("import os\n", "import os\nimport shutil\n", 1)


@wrong(
    daily_files,
    misconception="overwriting all partitions when a past day is run again",
    fails=OTHERS,
    hint=6,
)
def begins_anew(script):
    return swap(
        script,
        "for day in DAYS:\n",
        'if not all(map(is_loaded, DAYS)):\n    import shutil\n\n    shutil.rmtree("sales", ignore_errors=True)\nfor day in DAYS:\n',
    )


@wrong(
    daily_files,
    misconception="registered before it is written",
    fails=f"after any crash: {LACKS}",
    hint=2,
)
def registered_first(script):
    other = swap(script, REGISTER, "        pass")
    return swap(other, WRITE, f"{REGISTER}\n{WRITE}")


@wrong(
    daily_files,
    misconception="time zone lost: days of UTC",
    fails=f"without a crash: {RIGHT_DAY}",
    hint=4,
)
def days_of_utc(script):
    return swap(script, 'ZoneInfo("America/New_York")', 'ZoneInfo("UTC")')


@wrong(
    daily_files,
    misconception="decimal money as float",
    fails=f"without a crash: {TYPES}",
    hint=5,
)
def float_files(script):
    text = '        table = table.set_column(2, "amount", table["amount"].cast(pa.float64()))\n'
    return swap(script, WRITE, text + WRITE)


@wrong(
    daily_files,
    misconception="time zone lost: a time without a zone",
    fails=f"without a crash: {TYPES}",
    hint=5,
)
def without_zone(script):
    return swap(script, 'pa.timestamp("us", tz="UTC")', 'pa.timestamp("us")')


@wrong(
    daily_files,
    misconception="not registered",
    fails=f"without a crash: {REGISTERED}",
    hint=1,
)
def unregistered(script):
    return swap(script, REGISTER, "        pass")


@wrong(
    daily_files,
    misconception="what was loaded once is never loaded again",
    fails=f"{RERUN}: nothing is missing or out of date",
    hint=7,
)
def written_once(script):
    return swap(script, "if not is_loaded(day):", 'if not Path(f"sales/day={day}").exists():')


# reads

READS = "rows that a load reads: {}"


def answered(task, **others):
    table, log, mark = task["table"], task["log"], task["mark"]
    since = log[log["updated_at"] > mark]
    due = {
        "full": len(table),
        "incremental": int((table["updated_at"] > mark).sum()),
        "delta": len(since),
        "partitioned": int(table["day"].isin(since["day"]).sum()),
    }
    return due | others


@right(reads)
def by_loops(task):
    table, log = task["table"].to_dict("records"), task["log"].to_dict("records")
    since = [change for change in log if change["updated_at"] > task["mark"]]
    days = {change["day"] for change in since}
    newer = [row for row in table if row["updated_at"] > task["mark"]]
    rows = [row for row in table if row["day"] in days]
    numbers = (len(table), len(newer), len(since), len(rows))
    return dict(zip(("full", "incremental", "delta", "partitioned"), numbers))


@wrong(
    reads, misconception="deleted rows are in the table", fails=READS.format("incremental"), hint=3
)
def deleted_rows_read(task):
    log = task["log"]
    since = log[log["updated_at"] > task["mark"]]
    return answered(task, incremental=since["purchase"].nunique())


@wrong(reads, misconception="a delta has each row once", fails=READS.format("delta"), hint=4)
def newest_changes(task):
    return answered(task, delta=answered(task)["incremental"])


@wrong(reads, misconception="the whole log, each night", fails=READS.format("delta"), hint=7)
def whole_log(task):
    return answered(task, delta=len(task["log"]))


@wrong(
    reads,
    misconception="a partition's changed rows only",
    fails=READS.format("partitioned"),
    hint=5,
)
def changed_rows(task):
    return answered(task, partitioned=answered(task)["delta"])


@wrong(
    reads,
    misconception="days with deletions only forgotten",
    fails=READS.format("partitioned"),
    hint=6,
)
def days_of_the_table(task):
    table = task["table"]
    days = table.loc[table["updated_at"] > task["mark"], "day"]
    return answered(task, partitioned=int(table["day"].isin(days).sum()))


@wrong(reads, misconception="a full load reads the log as well", fails=READS.format("full"), hint=2)
def table_and_log(task):
    return answered(task, full=len(task["table"]) + len(task["log"]))


@wrong(reads, misconception="one number", fails=READS.format("full"), hint=1)
def one_number(task):
    return len(task["table"])
