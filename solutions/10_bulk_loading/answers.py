"""Right answers of another kind, and the wrong ones that people really give."""

import zlib

from streamgym.checks.labs import load_exercises
from streamgym.course.answers import right, swap, wrong

lab = load_exercises("10_bulk_loading")
batch_size, in_batches, copy_load = lab["batch_size"], lab["in_batches"], lab["copy_load"]
load_once, keep_constraints = lab["load_once"], lab["keep_constraints"]
codec, tuned_producer = lab["codec"], lab["tuned_producer"]

ENDS = "the worker ends in order"
EACH = "every order is there, once, to the cent"


def after(script, line, body):
    """Return the script up to and with this line, and another body behind it."""
    end = script.index(line) + len(line)
    return script[:end] + "\n" + body


def loading(script, body):
    return after(script, 'db = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)', body)


# batch_size

SMALLEST = "the smallest batch that is large enough"


@right(batch_size)
def by_formula(task):
    wait, row, percent = task["round_trip_us"], task["row_us"], task["percent"]
    return -(-wait * (100 - percent) // (percent * row))


@wrong(batch_size, misconception="the larger the better", fails=SMALLEST, hint=3)
def everything(task):
    return 100_000


@wrong(batch_size, misconception="a batch of one", fails=SMALLEST, hint=1)
def one(task):
    return 1


@wrong(batch_size, misconception="share of the rows' time", fails=SMALLEST, hint=2)
def of_the_rows(task):
    return -(-task["round_trip_us"] * 100 // (task["percent"] * task["row_us"]))


@wrong(batch_size, misconception="rounded down", fails=SMALLEST, hint=4)
def rounded_down(task):
    wait, row, percent = task["round_trip_us"], task["row_us"], task["percent"]
    return wait * (100 - percent) // (percent * row)


# in_batches

COMMITS = "one commit a batch"
TRIPS = "a batch is one statement's wait, not one for each row"
BATCHES = "for low in range(0, len(rows), BATCH):"


@right(in_batches)
def many_values(script):
    body = """
for low in range(0, len(rows), BATCH):
    part = rows[low : low + BATCH]
    values = ", ".join(["(%s, %s, %s, %s)"] * len(part))
    db.execute(f"INSERT INTO orders VALUES {values}", [v for row in part for v in row])
"""
    return loading(script, body)


@right(in_batches)
def one_copy_a_batch(script):
    body = """
db.autocommit = False
while rows:
    with db.cursor().copy("COPY orders FROM STDIN") as copy:
        for row in rows[:BATCH]:
            copy.write_row(row)
    db.commit()
    rows = rows[BATCH:]
"""
    return loading(script, body)


@wrong(in_batches, misconception="a commit for each row", fails=COMMITS, hint=2)
def commit_per_row(script):
    return loading(script, "for row in rows:\n    db.execute(INSERT, row)\n")


@wrong(in_batches, misconception="batch of one in executemany", fails=TRIPS, hint=3)
def batch_of_one(script):
    return swap(
        script,
        "        db.cursor().executemany(INSERT, rows[low : low + BATCH])",
        "        for row in rows[low : low + BATCH]:\n            db.cursor().executemany(INSERT, [row])",
    )


@wrong(in_batches, misconception="a commit inside of the batch", fails=COMMITS, hint=2)
def batch_of_one_committed(script):
    return loading(script, "for row in rows:\n    db.cursor().executemany(INSERT, [row])\n")


@wrong(in_batches, misconception="everything in one transaction", fails=COMMITS, hint=4)
def one_transaction(script):
    body = """
with db.transaction():
    for low in range(0, len(rows), BATCH):
        db.cursor().executemany(INSERT, rows[low : low + BATCH])
"""
    return loading(script, body)


@wrong(in_batches, misconception="the last batch is forgotten", fails=EACH, hint=5)
def last_one_lost(script):
    return swap(script, BATCHES, "for low in range(0, len(rows) - BATCH, BATCH):")


@wrong(in_batches, misconception="the same rows come with two batches", fails=ENDS, hint=1)
def overlapping(script):
    return swap(script, "rows[low : low + BATCH]", "rows[low : low + BATCH + 1]")


# copy_load

FAST = "at most 4 times as long as a plain COPY"


@right(copy_load)
def ready_made_bytes(script):
    body = """
lines = "".join("\\t".join(map(str, row)) + "\\n" for row in rows)
with db.transaction(), db.cursor().copy("COPY orders FROM STDIN") as copy:
    copy.write(lines)
"""
    return loading(script, body)


@right(copy_load)
def a_thousand_at_a_time(script):
    body = """
for low in range(0, len(rows), 1000):
    with db.transaction(), db.cursor().copy("COPY orders FROM STDIN") as copy:
        for row in rows[low : low + 1000]:
            copy.write_row(row)
"""
    return loading(script, body)


INSERT = '"INSERT INTO orders VALUES (%s, %s, %s, %s)"'


@wrong(copy_load, misconception="a commit for each row", fails=FAST, hint=2)
def insert_per_row(script):
    return loading(script, f"for row in rows:\n    db.execute({INSERT}, row)\n")


@wrong(copy_load, misconception="executemany taken for the fastest way", fails=FAST, hint=3)
def by_executemany(script):
    return loading(script, f"with db.transaction():\n    db.cursor().executemany({INSERT}, rows)\n")


@wrong(copy_load, misconception="a COPY for each row", fails=FAST, hint=4)
def copy_per_row(script):
    body = """
for row in rows:
    with db.cursor().copy("COPY orders FROM STDIN") as copy:
        copy.write_row(row)
"""
    return loading(script, body)


@wrong(copy_load, misconception="fast because it loads a part", fails=EACH, hint=5)
def the_first_half(script):
    return swap(script, "for row in rows:", "for row in rows[: len(rows) // 2]:")


@wrong(copy_load, misconception="columns in another order", fails=ENDS, hint=1)
def columns_swapped(script):
    return swap(script, "copy.write_row(row)", "copy.write_row((row[0], row[3], row[2], row[1]))")


# load_once

LOST, TWICE = "no line is lost", "no line is there twice"
NO_CRASH, CRASH = "without a crash: ", "after any crash: "
MARKED = "a batch's mark says what is there"
EXACT = "every amount and every total is exact"
MARK = """        mark = (number, len(lines), sum(amount for _, _, amount in lines))
        db.execute("INSERT INTO batches VALUES (%s, %s, %s)", mark)"""
SKIP = """    if number in done:
        continue
"""
QUANTIZED = "(amount * 9 / 10).quantize(CENT, ROUND_HALF_UP)"


@right(load_once)
def mark_first_in_the_same_transaction(script):
    body = """
db.autocommit = False
LINE = "INSERT INTO ledger VALUES (%s, %s, round(%s * 0.9, 2)) RETURNING amount"
for number, batch in enumerate(batches):
    new = "INSERT INTO batches VALUES (%s, %s, 0) ON CONFLICT DO NOTHING"
    if db.execute(new, (number, len(batch))).rowcount:
        total = sum(db.execute(LINE, order).fetchone()[0] for order in batch)
        db.execute("UPDATE batches SET total = %s WHERE number = %s", (total, number))
    db.commit()
"""
    return loading(script, body)


@right(load_once)
def all_that_is_left_in_one(script):
    body = """
with db.transaction():
    (first,) = db.execute("SELECT coalesce(max(number) + 1, 0) FROM batches").fetchone()
    for number in range(first, len(batches)):
        cents = [(int(amount * 100) * 9 + 5) // 10 for _, _, amount in batches[number]]
        with db.cursor().copy("COPY ledger (order_id, seller_id, amount) FROM STDIN") as copy:
            for (order, seller, _), paid in zip(batches[number], cents):
                copy.write(f"{order}\\t{seller}\\t{paid // 100}.{paid % 100:02}\\n")
        values = (number, len(cents), sum(cents))
        db.execute("INSERT INTO batches VALUES (%s, %s, %s::numeric / 100)", values)
"""
    return loading(script, body)


@wrong(load_once, misconception="marker saved before the batch", fails=CRASH + LOST, hint=2)
def marked_before(script):
    begin = "    with db.transaction():\n"
    mark = MARK.replace("        mark", "    mark").replace("        db", "    db")
    return swap(swap(script, MARK, ""), begin, mark + "\n" + begin)


@wrong(load_once, misconception="marker saved after the batch", fails=CRASH + TWICE, hint=4)
def marked_after(script):
    mark = MARK.replace("        mark", "    mark").replace("        db", "    db")
    return swap(script, MARK, mark)


@wrong(
    load_once,
    misconception="a failure in mid-load leaves half a load",
    fails=CRASH + TWICE,
    hint=3,
)
def line_by_line(script):
    body = """
done = {number for (number,) in db.execute("SELECT number FROM batches")}
for number, batch in enumerate(batches):
    if number not in done:
        total = 0
        for order in batch:
            line = "INSERT INTO ledger VALUES (%s, %s, round(%s * 0.9, 2)) RETURNING amount"
            total += db.execute(line, order).fetchone()[0]
        db.execute("INSERT INTO batches VALUES (%s, %s, %s)", (number, len(batch), total))
"""
    return loading(script, body)


@wrong(load_once, misconception="a re-run doubles", fails=NO_CRASH + TWICE, hint=5)
def never_looks(script):
    again = "INSERT INTO batches VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
    return swap(swap(script, SKIP, ""), "INSERT INTO batches VALUES (%s, %s, %s)", again)


@wrong(
    load_once, misconception="starts afresh, but not with the marks", fails=NO_CRASH + LOST, hint=8
)
def emptied_first(script):
    return swap(
        script, "for number, batch in", 'db.execute("TRUNCATE ledger")\nfor number, batch in'
    )


@wrong(load_once, misconception="money as a float", fails=NO_CRASH + EXACT, hint=7)
def float_money(script):
    return swap(script, QUANTIZED, "round(float(amount) * 0.9, 2)")


@wrong(load_once, misconception="halves go to the even digit", fails=NO_CRASH + EXACT, hint=7)
def bankers_rounding(script):
    return swap(script, QUANTIZED, "round(amount * 9 / 10, 2)")


@wrong(load_once, misconception="half a cent is cut off", fails=NO_CRASH + EXACT, hint=7)
def cut_off(script):
    return swap(script, "ROUND_HALF_UP)\n", '"ROUND_DOWN")\n')


@wrong(load_once, misconception="a mark without its count", fails=NO_CRASH + MARKED, hint=6)
def counts_nothing(script):
    return swap(script, "(number, len(lines),", "(number, number,")


@wrong(load_once, misconception="a mark for all batches together", fails=NO_CRASH + LOST, hint=1)
def one_mark(script):
    return swap(script, "    if number in done:\n        continue", "    if done:\n        break")


@wrong(load_once, misconception="a line without its amount", fails=ENDS, hint=1)
def wrong_columns(script):
    return swap(script, "copy.write_row(row)", "copy.write_row(row[:2])")


# keep_constraints

GUARDED = "every constraint is still there, and holds for every row"
GOOD = "every good row is loaded"
REFUSED = "every bad row is in `rejected`, and no good one"


@right(keep_constraints)
def a_savepoint_for_each_row(script):
    body = """
with db.transaction():
    for line, *row in rows:
        try:
            with db.transaction():
                db.execute("INSERT INTO orders VALUES (%s, %s, %s, %s)", row)
        except psycopg.IntegrityError as error:
            db.execute("INSERT INTO rejected VALUES (%s, %s)", (line, str(error)))
"""
    return loading(script, body)


@right(keep_constraints)
def sorted_out_in_python(script):
    body = """
known = {number for (number,) in db.execute("SELECT id FROM sellers")}
good, bad = {}, []
for line, number, seller, quantity, amount in rows:
    if seller not in known or quantity < 1 or number in good:
        bad.append((line, "bad"))
    else:
        good[number] = (number, seller, quantity, amount)
with db.transaction():
    db.cursor().executemany("INSERT INTO orders VALUES (%s, %s, %s, %s)", list(good.values()))
    db.cursor().executemany("INSERT INTO rejected VALUES (%s, %s)", bad)
"""
    return loading(script, body)


@wrong(keep_constraints, misconception="constraints dropped to make it pass", fails=GUARDED, hint=2)
def dropped(script):
    body = """
db.execute("ALTER TABLE orders DROP CONSTRAINT orders_pkey, DROP CONSTRAINT orders_quantity_check, "
           "DROP CONSTRAINT orders_seller_id_fkey")
db.cursor().executemany("INSERT INTO orders VALUES (%s, %s, %s, %s)", [row[1:] for row in rows])
"""
    return loading(script, body)


@wrong(keep_constraints, misconception="constraint put back unchecked", fails=GUARDED, hint=2)
def not_valid(script):
    body = """
db.execute("ALTER TABLE orders DROP CONSTRAINT orders_seller_id_fkey")
for line, *row in rows:
    try:
        db.execute("INSERT INTO orders VALUES (%s, %s, %s, %s)", row)
    except psycopg.IntegrityError as error:
        db.execute("INSERT INTO rejected VALUES (%s, %s)", (line, str(error)))
db.execute("ALTER TABLE orders ADD CONSTRAINT orders_seller_id_fkey "
           "FOREIGN KEY (seller_id) REFERENCES sellers NOT VALID")
"""
    return loading(script, body)


ROW_BY_ROW = """
for line, *row in rows:
    try:
        db.execute("INSERT INTO orders VALUES (%s, %s, %s, %s)", row)
    except psycopg.IntegrityError as error:
        pass
"""


@wrong(keep_constraints, misconception="bad rows skipped in silence", fails=REFUSED, hint=4)
def skipped(script):
    return loading(script, ROW_BY_ROW)


@wrong(keep_constraints, misconception="one bad row takes its batch along", fails=GOOD, hint=3)
def whole_batches(script):
    body = """
for low in range(0, len(rows), 10):
    part = rows[low : low + 10]
    try:
        with db.transaction():
            many = [row[1:] for row in part]
            db.cursor().executemany("INSERT INTO orders VALUES (%s, %s, %s, %s)", many)
    except psycopg.IntegrityError as error:
        why = [(row[0], str(error)) for row in part]
        db.cursor().executemany("INSERT INTO rejected VALUES (%s, %s)", why)
"""
    return loading(script, body)


@wrong(keep_constraints, misconception="both of two rows are refused", fails=GOOD, hint=3)
def both_refused(script):
    alone = "count(*) OVER (PARTITION BY incoming.id) > 1"
    return swap(script, "row_number() OVER (PARTITION BY incoming.id ORDER BY line) > 1", alone)


@wrong(keep_constraints, misconception="the later row wins", fails=GOOD, hint=6)
def the_later_one(script):
    return swap(script, "incoming.id ORDER BY line)", "incoming.id ORDER BY line DESC)")


@wrong(keep_constraints, misconception="the first error ends the load", fails=ENDS, hint=1)
def first_error(script):
    return loading(script, ROW_BY_ROW.replace("        pass", "        raise"))


@wrong(
    keep_constraints,
    misconception="the number of the row instead of its line",
    fails=REFUSED,
    hint=5,
)
def counted_from_zero(script):
    return swap(script, "SELECT line, reason FROM", "SELECT line - 1, reason FROM")


# codec

SHRINK = "the topics that shrink to less than half, in batches of 100"


@right(codec)
def by_raw_deflate(task):
    return [
        name
        for name, rows in reversed(task["samples"].items())
        if len(zlib.compress(b"\n".join(rows), 6)) * 2 < sum(map(len, rows))
    ]


@wrong(codec, misconception="compression of single records", fails=SHRINK, hint=2)
def one_by_one(task):
    return [
        name
        for name, rows in task["samples"].items()
        if sum(len(zlib.compress(row)) for row in rows) * 2 < sum(map(len, rows))
    ]


@wrong(codec, misconception="compression that does not shrink", fails=SHRINK, hint=3)
def all_of_them(task):
    return list(task["samples"])


@wrong(codec, misconception="judged by the name", fails=SHRINK, hint=1)
def by_name(task):
    return ["clicks"]


# tuned_producer

ACKS = "every request waits for all replicas: acks=all"
FEW = "at most 25 Produce requests"
SMALL = "at most 60 % of the bytes on the wire"
SOON = "no event waits for longer than half a second"
SAME = "every event is there, once, as it was"
TUNED = '{"linger.ms": 200, "batch.size": 200_000, "compression.type": "zstd"}'


def tuned(script, settings):
    return swap(script, TUNED, settings)


@right(tuned_producer)
def with_lz4(script):
    return tuned(script, '{"queue.buffering.max.ms": 300, "compression.codec": "lz4"}')


@right(tuned_producer)
def by_kafka_python(script):
    begin = script.index("settings =")
    body = """
from kafka import KafkaProducer

producer = KafkaProducer(
    bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
    linger_ms=150,
    batch_size=100_000,
    compression_type="gzip",
)
for number, row in enumerate(rows):
    if number % 5 == 0:
        time.sleep(0.01)
    producer.send(os.environ["TOPIC"], row["value"], row["key"].encode())
producer.flush()
"""
    return script[:begin] + body


@wrong(tuned_producer, misconception="linger 0", fails=FEW, hint=3)
def no_linger(script):
    return tuned(script, '{"linger.ms": 0, "compression.type": "zstd"}')


@wrong(tuned_producer, misconception="batch too small for its linger", fails=FEW, hint=3)
def small_batches(script):
    return tuned(script, '{"linger.ms": 200, "batch.num.messages": 3, "compression.type": "zstd"}')


@wrong(tuned_producer, misconception="no compression", fails=SMALL, hint=4)
def as_it_is(script):
    return tuned(script, '{"linger.ms": 200, "compression.type": "none"}')


@wrong(
    tuned_producer,
    misconception="compression chosen that does not shrink: every event by itself",
    fails=SMALL,
    hint=5,
)
def by_hand(script):
    script = tuned(script, '{"linger.ms": 200}')
    return swap(script, 'row["value"], row', 'zlib.compress(row["value"]), row').replace(
        "import time", "import time\nimport zlib"
    )


@wrong(tuned_producer, misconception="acks lowered for speed", fails=ACKS, hint=2)
def leader_only(script):
    return tuned(script, TUNED[:-1] + ', "acks": 1}')


@wrong(tuned_producer, misconception="no acknowledgement at all", fails=ACKS, hint=2)
def fire_and_forget(script):
    return tuned(script, TUNED[:-1] + ', "acks": 0}')


@wrong(tuned_producer, misconception="linger without end", fails=SOON, hint=6)
def waits_for_ever(script):
    return tuned(script, TUNED.replace("200,", "60_000,", 1))


@wrong(tuned_producer, misconception="sent twice to be sure", fails=SAME, hint=7)
def twice(script):
    send = '    producer.produce(os.environ["TOPIC"], row["value"], row["key"])\n'
    return swap(script, send, send * 2)


@wrong(tuned_producer, misconception="a setting that does not exist", fails=ENDS, hint=1)
def no_such_setting(script):
    return tuned(script, '{"linger_ms": 200}')
