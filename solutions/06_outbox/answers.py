"""Right answers of another kind, and the wrong ones that people really give."""

from pathlib import Path

from streamgym.checks.labs import load_exercises
from streamgym.course.answers import right, swap, wrong

lab = load_exercises("06_outbox")
place_orders, publish_plan, relay = lab["place_orders"], lab["publish_plan"], lab["relay"]
two_relays, my_share, inbox = lab["two_relays"], lab["my_share"], lab["inbox"]
clean_up, lag = lab["clean_up"], lab["lag"]

# place_orders

IN_ONE = "    with db.transaction():\n        placed"
COMMIT = "            place(json.loads(record.value))\n    consumer.commit()"
COMMIT_FIRST = "            consumer.commit()\n            place(json.loads(record.value))"
TOGETHER = "an order and its event are committed together"


def placing(script, body, setup=""):
    """Return the script with another body of ``place``, and with other things made before it."""
    begin, end = script.index("def place"), script.index("\n\nwhile not")
    return script[:begin] + setup + "def place(order):\n" + body + script[end:]


HALVES = """
import json
from kafka import KafkaProducer

producer = KafkaProducer(bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"])


def is_old(order):
    return db.execute("SELECT 1 FROM orders WHERE id = %s", [order["order"]]).fetchone()


def save(order):
    row = (order["order"], order["customer"], order["amount"])
    return db.execute("INSERT INTO orders VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", row).rowcount


def write_down(order):
    event = (str(order["order"]), "OrderPlaced", Jsonb(order))
    db.execute("INSERT INTO outbox (aggregate, type, payload) VALUES (%s, %s, %s)", event)


def publish(order):
    producer.send(os.environ["EVENTS_TOPIC"], json.dumps(order).encode()).get(timeout=30)


"""


@right(place_orders)
def in_one_statement(script):
    body = '''    db.execute("""
        WITH placed AS (
            INSERT INTO orders VALUES (%(order)s, %(customer)s, %(amount)s)
            ON CONFLICT DO NOTHING RETURNING id
        )
        INSERT INTO outbox (aggregate, type, payload)
        SELECT id::text, 'OrderPlaced', %(whole)s FROM placed
    """, {**order, "whole": Jsonb(order)})
'''
    return placing(script, body)


@right(place_orders)
def a_whole_poll_in_one_transaction(script):
    return Path(__file__).with_name("poll_by_poll.py").read_text()


@wrong(
    place_orders,
    misconception="outbox row written in another transaction, after the order's",
    fails="after any crash: no order without its event",
    hint=2,
)
def row_afterwards(script):
    return swap(script, IN_ONE, "    if True:\n        placed")


@wrong(
    place_orders,
    misconception="outbox row written in another transaction, before the order's",
    fails="after any crash: one event for each order",
    hint=2,
)
def row_beforehand(script):
    body = "    if not is_old(order):\n        write_down(order)\n        save(order)\n"
    return placing(script, body, HALVES)


@wrong(
    place_orders,
    misconception="two transactions that are each repeated until they are done",
    fails=TOGETHER,
    hint=2,
)
def repeated_halves(script):
    body = """    save(order)
    known = "SELECT 1 FROM outbox WHERE aggregate = %s"
    if not db.execute(known, [str(order["order"])]).fetchone():
        write_down(order)
"""
    return placing(script, body, HALVES)


@wrong(
    place_orders,
    misconception="dual write: save, then publish",
    fails="after any crash: no order without its event",
    hint=3,
)
def save_then_publish(script):
    return placing(script, "    if save(order):\n        publish(order)\n", HALVES)


@wrong(
    place_orders,
    misconception="dual write: publish, then save",
    fails="after any crash: one event for each order",
    hint=3,
)
def publish_then_save(script):
    body = "    if not is_old(order):\n        publish(order)\n        save(order)\n"
    return placing(script, body, HALVES)


@wrong(
    place_orders,
    misconception="dual write: publish, then save, of a request that is not repeated",
    fails="after any crash: no event without its order",
    hint=3,
)
def publish_then_save_at_most_once(script):
    return swap(publish_then_save.answer(script), COMMIT, COMMIT_FIRST)


@wrong(
    place_orders,
    misconception="dual write next to the outbox",
    fails="without a crash: one event for each order",
    hint=3,
)
def outbox_and_publish(script):
    body = """    with db.transaction():
        if save(order):
            write_down(order)
            publish(order)
"""
    return placing(script, body, HALVES)


@wrong(
    place_orders,
    misconception="offset committed first",
    fails="after any crash: every order is saved",
    hint=1,
)
def offset_first(script):
    return swap(script, COMMIT, COMMIT_FIRST)


@wrong(
    place_orders,
    misconception="an event for every command, not for every order",
    fails="without a crash: one event for each order",
    hint=4,
)
def event_for_each_command(script):
    return swap(script, "if placed.rowcount:", "if True:")


@wrong(
    place_orders,
    misconception="the event carries only the order's number",
    fails="without a crash: the event carries the order",
    hint=5,
)
def thin_event(script):
    return swap(script, "Jsonb(order)", 'Jsonb({"order": order["order"]})')


@wrong(
    place_orders,
    misconception="a repeated command is an error",
    fails="the worker ends in order",
    hint=6,
)
def fails_on_repetition(script):
    return swap(script, " ON CONFLICT DO NOTHING", "")


# publish_plan

FIRST = "the rows that were written first are taken"
WITHIN = "an aggregate's events keep their order"
KEYED = "the key is the aggregate"


@right(publish_plan)
def smallest_by_heap(rows, batch):
    import heapq

    chosen = heapq.nsmallest(batch, ((row["id"], row["aggregate"]) for row in rows))
    return [tuple(pair) for pair in chosen]


@right(publish_plan)
def cut_then_grouped(rows, batch):
    chosen = sorted(rows, key=lambda row: row["id"])[:batch]
    chosen.sort(key=lambda row: row["aggregate"])
    return [[row["id"], row["aggregate"]] for row in chosen]


def planned(rows):
    return [[row["id"], row["aggregate"]] for row in rows]


@wrong(publish_plan, misconception="order by the clock", fails=WITHIN, hint=2)
def by_created_at(rows, batch):
    return planned(sorted(rows, key=lambda row: row["created_at"])[:batch])


@wrong(publish_plan, misconception="batch cut before the sort", fails=FIRST, hint=3)
def cut_before_sort(rows, batch):
    return planned(sorted(rows[:batch], key=lambda row: row["id"]))


@wrong(publish_plan, misconception="no sort at all", fails=WITHIN, hint=3)
def as_given(rows, batch):
    return planned(rows[:batch])


@wrong(
    publish_plan,
    misconception="order across aggregates confused: one aggregate after the other",
    fails=FIRST,
    hint=4,
)
def grouped_before_cut(rows, batch):
    return planned(sorted(rows, key=lambda row: (row["aggregate"], row["id"]))[:batch])


@wrong(publish_plan, misconception="newest first", fails=WITHIN, hint=5)
def newest_first(rows, batch):
    return planned(sorted(rows, key=lambda row: -row["id"])[:batch])


@wrong(publish_plan, misconception="keyed by the event's number", fails=KEYED, hint=6)
def keyed_by_event(rows, batch):
    return [[row["id"], str(row["id"])] for row in sorted(rows, key=lambda row: row["id"])[:batch]]


@wrong(publish_plan, misconception="keyed by the event's type", fails=KEYED, hint=6)
def keyed_by_type(rows, batch):
    return [[row["id"], row["type"]] for row in sorted(rows, key=lambda row: row["id"])[:batch]]


# relay

MARK = "    db.execute(MARK, [[row[0] for row in rows]])\n"
SEND = "    for row in rows:\n        send(*row)\n    producer.flush()\n"
LOST = "after any crash: every event is published"
IN_ORDER = "without a crash: an aggregate's events come in order"


@right(relay)
def one_by_one(script):
    return Path(__file__).with_name("relay_one_by_one.py").read_text()


@right(relay)
def marked_before_but_committed_after(script):
    begin, end = script.index("TAKE ="), script.index("producer.close()")
    body = '''
TAKE = """UPDATE outbox SET sent_at = clock_timestamp()
          WHERE id IN (SELECT id FROM outbox WHERE sent_at IS NULL ORDER BY id LIMIT %s
                       FOR UPDATE SKIP LOCKED)
          RETURNING id, aggregate, type, payload"""

rows = True
while rows:
    with db.transaction():
        rows = sorted(db.execute(TAKE, [BATCH]).fetchall())
        for row in rows:
            send(*row)
        producer.flush()

'''
    return script[:begin] + body + script[end:]


@wrong(relay, misconception="poller marks before it publishes", fails=LOST, hint=2)
def marks_first(script):
    return swap(script, SEND + MARK, MARK + SEND)


@wrong(relay, misconception="flush forgotten", fails=LOST, hint=2)
def without_flush(script):
    return swap(script, "    producer.flush()\n", "")


@wrong(relay, misconception="no ORDER BY", fails=IN_ORDER, hint=4)
def as_the_table_lies(script):
    return swap(script, " ORDER BY id", "")


@wrong(relay, misconception="newest first", fails=IN_ORDER, hint=4)
def newest_rows_first(script):
    return swap(script, "ORDER BY id", "ORDER BY id DESC")


@wrong(relay, misconception="order by the clock", fails=IN_ORDER, hint=4)
def rows_by_clock(script):
    return swap(script, "ORDER BY id", "ORDER BY created_at")


@wrong(
    relay,
    misconception="order across aggregates confused: keyed by the event",
    fails="without a crash: every event has its aggregate as its key",
    hint=3,
)
def key_of_the_event(script):
    return swap(script, "key=aggregate.encode()", "key=str(number).encode()")


@wrong(
    relay,
    misconception="order across aggregates confused: no key",
    fails="without a crash: every event has its aggregate as its key",
    hint=3,
)
def without_key(script):
    return swap(script, ", key=aggregate.encode()", "")


@wrong(
    relay,
    misconception="everything in one go",
    fails="after any crash: at most one batch is published twice",
    hint=5,
)
def all_at_once(script):
    lingering = "KafkaProducer(linger_ms=10_000, bootstrap_servers="
    return swap(
        swap(script, " LIMIT %s", " LIMIT 100 * %s"), "KafkaProducer(bootstrap_servers=", lingering
    )


@wrong(
    relay,
    misconception="marks only the last row of a batch",
    fails="without a crash: at most one batch is published twice",
    hint=7,
)
def marks_the_last(script):
    return swap(script, "[[row[0] for row in rows]]", "[[rows[-1][0]]]")


@wrong(
    relay,
    misconception="the marks' transaction is never committed",
    fails="without a crash: every row is marked as sent",
    hint=6,
)
def never_committed(script):
    return swap(script, ", autocommit=True", "")


@wrong(
    relay,
    misconception="the position is kept in memory, sent_at is not asked",
    fails="without a crash: what was sent before is not sent again",
    hint=1,
)
def position_in_memory(script):
    asked = swap(script, "WHERE sent_at IS NULL", "WHERE id > %s")
    asked = swap(
        asked,
        "while rows := db.execute(TAKE, [BATCH]).fetchall():",
        "last = 0\nwhile rows := db.execute(TAKE, [last, BATCH]).fetchall():",
    )
    return swap(asked, MARK, MARK + "    last = rows[-1][0]\n")


# two_relays

TWICE = "nothing is published twice"
LOCKED = " FOR UPDATE SKIP LOCKED"
ALONE = """if not db.execute("SELECT pg_try_advisory_lock(4711)").fetchone()[0]:
    raise SystemExit
rows = [()]
"""


@right(two_relays)
def claimed_by_update(script):
    return marked_before_but_committed_after.answer(script)


@right(two_relays)
def row_by_row(script):
    return Path(__file__).with_name("relay_one_by_one.py").read_text()


@wrong(two_relays, misconception="two pollers publish twice: no lock", fails=TWICE, hint=1)
def no_lock(script):
    return swap(script, LOCKED, "")


@wrong(two_relays, misconception="the lock is let go before sending", fails=TWICE, hint=1)
def lock_let_go(script):
    return swap(script, "with db.transaction():", "if True:")


@wrong(
    two_relays,
    misconception="FOR UPDATE without SKIP LOCKED",
    fails="the second does not wait for the first",
    hint=2,
)
def waits_its_turn(script):
    return swap(script, " SKIP LOCKED", "")


@wrong(
    two_relays,
    misconception="poller marks before it publishes",
    fails="every event is published",
    hint=3,
)
def claims_by_marking(script):
    unlocked = swap(script, "with db.transaction():", "if True:")
    send = "        for row in rows:\n            send(*row)\n        producer.flush()\n"
    mark = "        db.execute(MARK, [[row[0] for row in rows]])\n"
    claim = "        with db.transaction():\n            rows = db.execute(TAKE, [BATCH]).fetchall()\n    "
    taken = swap(unlocked, "        rows = db.execute(TAKE, [BATCH]).fetchall()\n", "")
    return swap(taken, send + mark, claim + mark + send)


@wrong(
    two_relays,
    misconception="locks all rows and sends a batch",
    fails="the second sends all that the first does not hold",
    hint=4,
)
def locks_everything(script):
    return swap(script, " LIMIT %s FOR UPDATE", " LIMIT 100 * %s FOR UPDATE")


@wrong(
    two_relays,
    misconception="only one may work at all",
    fails="the second sends all that the first does not hold",
    hint=4,
)
def only_one_works(script):
    return swap(script, "rows = [()]\n", ALONE)


@wrong(
    two_relays,
    misconception="one batch, and then the end",
    fails="every event is published",
    hint=4,
)
def a_single_batch(script):
    return swap(script, "while rows:", "if rows:")


@wrong(two_relays, misconception="a lock is an error", fails="both end in order", hint=5)
def without_patience(script):
    return swap(script, "SKIP LOCKED", "NOWAIT")


# my_share

SHARE = """SELECT id, aggregate, type, payload FROM outbox
WHERE {where} ORDER BY {order} LIMIT %(batch)s"""
MINE = "sent_at IS NULL AND mod(abs(hashtext(aggregate)::bigint), %(relays)s) = %(relay)s"


def shared(where=MINE, order="id"):
    return SHARE.format(where=where, order=order)


@right(my_share)
def by_md5(task):
    mine = "mod(('x' || substr(md5(aggregate), 1, 6))::bit(24)::int, %(relays)s) = %(relay)s"
    return shared(f"sent_at IS NULL AND {mine}")


@right(my_share)
def in_a_subquery(task):
    return """
        WITH mine AS (
            SELECT *, (hashtextextended(aggregate, 0) %% %(relays)s + %(relays)s) %% %(relays)s AS nr
            FROM outbox WHERE sent_at IS NULL
        )
        SELECT id FROM mine WHERE nr = %(relay)s ORDER BY id FETCH FIRST %(batch)s ROWS ONLY
    """


NOBODYS = "every unsent row is some relay's"
FIRST_ROWS = "a relay's first rows, oldest first, and no more than the batch"


@wrong(my_share, misconception="negative hashes are nobody's", fails=NOBODYS, hint=2)
def negative_hashes(task):
    return shared(MINE.replace("abs(hashtext(aggregate)::bigint)", "hashtext(aggregate)"))


@wrong(my_share, misconception="relays are counted from 1", fails=NOBODYS, hint=2)
def counted_from_one(task):
    return shared(MINE + " + 1")


@wrong(
    my_share,
    misconception="shares rows, not aggregates",
    fails="all events of an aggregate are one relay's",
    hint=3,
)
def rows_shared(task):
    return shared("sent_at IS NULL AND mod(id, %(relays)s) = %(relay)s")


@wrong(my_share, misconception="no share at all", fails="no row is two relays'", hint=4)
def everything_for_everybody(task):
    return shared("sent_at IS NULL AND %(relay)s < %(relays)s")


@wrong(my_share, misconception="no ORDER BY", fails=FIRST_ROWS, hint=5)
def unordered(task):
    return shared().replace("ORDER BY id", "")


@wrong(my_share, misconception="batch cut before the share", fails=FIRST_ROWS, hint=6)
def cut_before_share(task):
    cut = "SELECT * FROM outbox WHERE sent_at IS NULL ORDER BY id LIMIT %(batch)s"
    return f"SELECT id FROM ({cut}) AS cut WHERE {MINE} ORDER BY id"


@wrong(
    my_share,
    misconception="a bare % in psycopg's text",
    fails="the statement runs",
    hint=7,
)
def bare_percent(task):
    return shared("sent_at IS NULL AND abs(hashtext(aggregate)) % %(relays)s = %(relay)s")


@wrong(my_share, misconception="sent rows too", fails="only unsent rows", hint=8)
def sent_rows_too(task):
    return shared(MINE.removeprefix("sent_at IS NULL AND "))


# inbox

BOOKED_ONCE = "no event is booked twice"
LEFT_OUT = "no event is left out"
HANDLE = "            handle(json.loads(record.value))\n    consumer.commit()"


def handling(script, body, setup=""):
    """Return the script with another body of ``handle``, and with other things made before it."""
    begin, end = script.index("def handle"), script.index("\n\nwhile not")
    return script[:begin] + setup + "def handle(event):\n" + body + script[end:]


@right(inbox)
def asks_first(script):
    body = """    with db.transaction():
        known = "SELECT 1 FROM inbox WHERE event = %s"
        if not db.execute(known, [event["event"]]).fetchone():
            book(event)
            db.execute("INSERT INTO inbox (event) VALUES (%s)", [event["event"]])
"""
    return handling(script, body)


@right(inbox)
def refused_by_the_key(script):
    body = """    try:
        with db.transaction():
            book(event)
            db.execute("INSERT INTO inbox (event) VALUES (%s)", [event["event"]])
    except psycopg.errors.UniqueViolation:
        pass
"""
    return handling(script, body)


@wrong(
    inbox,
    misconception="no inbox",
    fails=f"without a crash: {BOOKED_ONCE}",
    hint=2,
)
def no_inbox(script):
    return handling(script, "    book(event)\n")


@wrong(
    inbox,
    misconception="inbox row written after the effect, in another transaction",
    fails=f"after any crash: {BOOKED_ONCE}",
    hint=3,
)
def inbox_afterwards(script):
    return swap(asks_first.answer(script), "with db.transaction():", "if True:")


@wrong(
    inbox,
    misconception="inbox row written before the effect, in another transaction",
    fails=f"after any crash: {LEFT_OUT}",
    hint=6,
)
def inbox_beforehand(script):
    return swap(script, "with db.transaction():", "if True:")


@wrong(
    inbox,
    misconception="handled events are remembered in memory",
    fails=f"after any crash: {BOOKED_ONCE}",
    hint=3,
)
def remembers_in_memory(script):
    body = """    if event["event"] not in seen:
        seen.add(event["event"])
        book(event)
"""
    return handling(script, body, "seen = set()\n\n\n")


@wrong(
    inbox,
    misconception="told apart by offset",
    fails=f"without a crash: {BOOKED_ONCE}",
    hint=2,
)
def by_offset(script):
    place = '{"event": record.partition * 1_000_000 + record.offset}'
    return swap(
        script, "handle(json.loads(record.value))", f"handle(json.loads(record.value) | {place})"
    )


@wrong(
    inbox,
    misconception="told apart by the order, not by the event",
    fails=f"without a crash: {LEFT_OUT}",
    hint=4,
)
def by_order(script):
    return swap(script, '[event["event"]]', '[int(event["aggregate"])]')


@wrong(
    inbox,
    misconception="offset committed first",
    fails=f"after any crash: {LEFT_OUT}",
    hint=5,
)
def commits_first(script):
    loop = """    polled = consumer.poll(timeout_ms=200)
    consumer.commit()
    for batch in polled.values():
"""
    first = swap(script, "    for batch in consumer.poll(timeout_ms=200).values():\n", loop)
    return swap(first, HANDLE, HANDLE.replace("\n    consumer.commit()", ""))


@wrong(
    inbox,
    misconception="a repeated event is an error",
    fails="the worker ends in order",
    hint=7,
)
def refuses_repetitions(script):
    return swap(script, " ON CONFLICT DO NOTHING", "")


# clean_up

KEPT = "an unsent row stays, however old"
RECENT = "a row that was sent lately stays"
GONE = "a row that was sent long ago goes"


@right(clean_up)
def by_ids(task):
    return f"""
        DELETE FROM outbox WHERE id IN (
            SELECT id FROM outbox WHERE sent_at IS NOT NULL
            AND now() - sent_at > make_interval(days => {task["days"]}) FOR UPDATE SKIP LOCKED
        )
    """


@right(clean_up)
def with_returning(task):
    hours = task["days"] * 24
    return f"delete from outbox where sent_at <= current_timestamp - '{hours} hours'::interval returning id;"


@wrong(clean_up, misconception="deletes by age alone", fails=KEPT, hint=2)
def by_age_alone(task):
    return f"DELETE FROM outbox WHERE created_at < now() - interval '{task['days']} days'"


@wrong(clean_up, misconception="deletes all that was sent", fails=RECENT, hint=3)
def all_sent(task):
    return "DELETE FROM outbox WHERE sent_at IS NOT NULL"


@wrong(clean_up, misconception="created_at for sent_at", fails=RECENT, hint=4)
def by_creation(task):
    return f"""DELETE FROM outbox
        WHERE sent_at IS NOT NULL AND created_at < now() - interval '{task["days"]} days'"""


@wrong(clean_up, misconception="the comparison the wrong way round", fails=GONE, hint=5)
def the_wrong_way_round(task):
    return f"DELETE FROM outbox WHERE sent_at > now() - interval '{task['days']} days'"


@wrong(clean_up, misconception="deletes nothing", fails=GONE, hint=1)
def for_ever(task):
    return "DELETE FROM outbox WHERE sent_at < now() - interval '10 years'"


@wrong(clean_up, misconception="no SQL", fails="the statement runs", hint=1)
def in_plain_english(task):
    return f"delete what was sent {task['days']} days ago"


# lag

COUNT = "the number of unsent rows"
AGE = "the age of the oldest unsent row, in seconds"
CALM = "when nothing waits, both are 0"
UNSENT = "FROM outbox WHERE sent_at IS NULL"


def figures(age, count="count(*)", rest=UNSENT):
    seconds = f"coalesce(extract(epoch FROM {age}), 0)"
    return f"SELECT {count} AS waiting, {seconds} AS seconds {rest}"


@right(lag)
def by_filter(task):
    return """
        SELECT count(*) FILTER (WHERE sent_at IS NULL) AS waiting,
               coalesce(max(extract(epoch FROM clock_timestamp() - created_at))
                        FILTER (WHERE sent_at IS NULL), 0)::float AS seconds
        FROM outbox
    """


@right(lag)
def by_subqueries(task):
    return f"""
        SELECT (SELECT count(id) {UNSENT}) AS waiting,
               coalesce((SELECT now() - created_at {UNSENT} ORDER BY created_at LIMIT 1),
                        interval '0') AS seconds
    """


@wrong(lag, misconception="counts sent rows too", fails=COUNT, hint=2)
def counts_all(task):
    return figures(f"now() - (SELECT min(created_at) {UNSENT})", rest="FROM outbox")


@wrong(lag, misconception="counts what was sent", fails=COUNT, hint=2)
def counts_sent(task):
    return figures(f"now() - (SELECT min(created_at) {UNSENT})", "count(sent_at)", "FROM outbox")


@wrong(lag, misconception="the age of the newest", fails=AGE, hint=3)
def of_the_newest(task):
    return figures("now() - max(created_at)")


@wrong(lag, misconception="the time since the last row was sent", fails=AGE, hint=4)
def since_the_last_sent(task):
    return figures("now() - max(sent_at)", "count(*) FILTER (WHERE sent_at IS NULL)", "FROM outbox")


@wrong(lag, misconception="the oldest row, sent or not", fails=AGE, hint=5)
def oldest_of_all(task):
    return figures(
        "now() - min(created_at)", "count(*) FILTER (WHERE sent_at IS NULL)", "FROM outbox"
    )


@wrong(lag, misconception="NULL when nothing waits", fails=CALM, hint=6)
def null_when_calm(task):
    return f"SELECT count(*) AS waiting, extract(epoch FROM now() - min(created_at)) AS seconds {UNSENT}"
