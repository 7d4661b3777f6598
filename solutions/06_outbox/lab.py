# ---
# title: The outbox
# chapters: [8, 14]
# questions: [4, 17, 20, 28]
# minutes: 75
# ---

# %% [markdown]
# # The outbox: how to save an order *and* tell the world
#
# You run ekart's order service. For every order it does two things: it saves the order in Postgres, and it sends an event to Kafka, so that the warehouse, the mailer and the loyalty programme know.
#
# Two lines of code. By the end you will know why no order of these two lines is right, and what is.

# %%
import time
from random import Random

import pandas as pd
import psycopg

from streamgym.checks import databases, topics
from streamgym.data import shop
from streamgym.faults.sweep import Point
from streamgym.lab import Lab
from streamgym.lab.timeline import timeline

lab = Lab("06_outbox", student="")  # write your name: it draws your own data
kafka, postgres = lab.kafka(), lab.postgres()

# %% [markdown]
# These are the service's tables. For now only `orders` matters. The other three come into the story one by one.

# %%
SCHEMA = """
CREATE TABLE orders (id bigint PRIMARY KEY, customer text NOT NULL, amount bigint NOT NULL);

CREATE TABLE outbox (
    id bigserial PRIMARY KEY,
    aggregate text NOT NULL,
    type text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz
);

CREATE TABLE inbox (event bigint PRIMARY KEY, handled_at timestamptz NOT NULL DEFAULT now());

CREATE TABLE bookings (customer text NOT NULL, order_id bigint NOT NULL, points bigint NOT NULL);
"""


def fresh() -> str:
    return databases.create(postgres, SCHEMA)


# %% [markdown]
# ## 1. Two writes
#
# The service below gets orders from a topic that stands for the web shop. A web request is not repeated when the server dies. So the worker commits its offset as soon as it has the order, and only then does its two writes.

# %% worker="dual_write"
import json
import os

import psycopg
from kafka import KafkaConsumer, KafkaProducer

from streamgym.workers import at_end

consumer = KafkaConsumer(
    os.environ["INPUT_TOPIC"],
    bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
    group_id=os.environ["GROUP_ID"],
    auto_offset_reset="earliest",
    enable_auto_commit=False,
    max_poll_records=1,
)
producer = KafkaProducer(bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"])
db = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)


def save(order: dict) -> None:
    row = (order["order"], order["customer"], order["amount"])
    db.execute("INSERT INTO orders VALUES (%s, %s, %s)", row)


def publish(order: dict) -> None:
    producer.send(os.environ["EVENTS_TOPIC"], json.dumps(order).encode()).get(timeout=30)


steps = [save, publish] if os.environ["FIRST"] == "save" else [publish, save]
while not at_end(consumer):
    for batch in consumer.poll(timeout_ms=200).values():
        consumer.commit()
        for step in steps:
            step(json.loads(batch[0].value))

# %% [markdown]
# Save first. The process is killed when the third order is in Postgres, and is started again. Read the picture from left to right: what is missing after the orange arrow?

# %%
requests = shop.orders(Random(6), 5)


def stage(first: str) -> dict[str, str]:
    source, events = topics.create(kafka), topics.create(kafka)
    topics.produce(kafka, source, requests, key="")
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "DATABASE_URL": fresh(),
        "INPUT_TOPIC": source,
        "EVENTS_TOPIC": events,
        "GROUP_ID": f"{source}-service",
        "FIRST": first,
    }


env = stage("save")
trial = lab.run("dual_write", env, crash=Point("after", "INSERT", 3))
timeline(trial.trace, "save, then publish")


# %%
def compare(env: dict[str, str]) -> None:
    rows = databases.rows(env["DATABASE_URL"], "SELECT id FROM orders")
    saved = {row["id"] for row in rows}
    told = {event["order"] for event in topics.read(kafka, env["EVENTS_TOPIC"])}
    print("orders that nobody heard of:", sorted(saved - told))
    print("events without an order:    ", sorted(told - saved))


compare(env)

# %% [markdown]
# The customer has paid, and the warehouse will never know. So publish first? Guess what breaks now, then run it.

# %%
env = stage("publish")
trial = lab.run("dual_write", env, crash=Point("before", "INSERT", 3))
timeline(trial.trace, "publish, then save")
compare(env)

# %% [markdown]
# Now the warehouse packs an order that does not exist. This is the **dual write**: two systems, no transaction that spans both, and a moment between the two writes. You may swap them; the moment stays.
#
# A retry does not help: whoever would retry is dead.

# %% [markdown]
# ## 2. The outbox
#
# Postgres *can* write two things at once: two rows in one transaction. So write the event down, as a row in the table `outbox`, together with the order. Either both are there, or neither. Sending it is somebody else's work, later.
#
# The **aggregate** is the thing that an event is about: here, the order.

# %% [markdown]
# **Exercise.** Read orders from `INPUT_TOPIC`. Save each in `orders`, with one row in `outbox`: `aggregate` is the order's number, `type` is `OrderPlaced`, `payload` is the whole order.
#
# This time nothing may be left out, so a command may come again: after a crash, or because a customer clicked twice. It is still one order and one event. (`EVENTS_TOPIC` is set as before. You should not need it.)

# %% worker="place_orders"
import json
import os

import psycopg
from kafka import KafkaConsumer
from psycopg.types.json import Jsonb

from streamgym.workers import at_end

consumer = KafkaConsumer(
    os.environ["INPUT_TOPIC"],
    bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
    group_id=os.environ["GROUP_ID"],
    auto_offset_reset="earliest",
    enable_auto_commit=False,
    max_poll_records=10,
)
db = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)


def place(order: dict) -> None:
    # BEGIN SOLUTION
    row = (order["order"], order["customer"], order["amount"])
    event = (str(order["order"]), "OrderPlaced", Jsonb(order))
    with db.transaction():
        placed = db.execute("INSERT INTO orders VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", row)
        if placed.rowcount:
            db.execute("INSERT INTO outbox (aggregate, type, payload) VALUES (%s, %s, %s)", event)
    # STARTER raise NotImplementedError("with db.transaction(): save the order and its event")
    # END SOLUTION


# BEGIN SOLUTION
while not at_end(consumer):
    for batch in consumer.poll(timeout_ms=200).values():
        for record in batch:
            place(json.loads(record.value))
    consumer.commit()
# STARTER while not at_end(consumer):
# STARTER     for batch in consumer.poll(timeout_ms=200).values():
# STARTER         for record in batch:
# STARTER             place(json.loads(record.value))
# STARTER     # the offset is not committed yet: where does it belong?
# END SOLUTION

# %%
lab.check("place_orders")

# %% [markdown]
# Try it yourself: kill it when the third order's transaction is in Postgres. `OffsetCommit` had not come, so the order comes again, and `ON CONFLICT` sees that it is old.

# %%
env = stage("")
trial = lab.run("place_orders", env, crash=Point("after", "COMMIT", 3))
timeline(trial.trace, "order and event in one transaction")
outbox = "SELECT id, aggregate, type, created_at, sent_at FROM outbox ORDER BY id"
pd.DataFrame(databases.rows(env["DATABASE_URL"], outbox))

# %% [markdown]
# ## 3. Which event comes first?
#
# The event of a payment must not overtake that of its order. So rows have to be sent in order. By which column? `created_at` looks like the obvious choice. Two programs, *A* and *B*, now work on the same order:

# %%
shop_db = fresh()
insert = "INSERT INTO outbox (aggregate, type, payload) VALUES ('4711', %s, '{}')"
with psycopg.connect(shop_db) as a, psycopg.connect(shop_db) as b:
    a.execute("SELECT 'A begins, and takes its time'")
    b.execute(insert, ["OrderPlaced"])
    b.commit()
    a.execute(insert, ["OrderPaid"])
    a.commit()
pd.DataFrame(databases.rows(shop_db, "SELECT id, type, created_at FROM outbox ORDER BY created_at"))

# %% [markdown]
# Sorted by `created_at`, the order is paid before it is placed. `now()` is the time at which the *transaction began*. Clocks of several machines disagree anyway, and all events of one transaction have the same time.
#
# The sequence number does not lie: within an aggregate, the later event has the greater `id`.

# %% [markdown]
# In Kafka, order holds within a partition only, and the **key** chooses the partition. So an aggregate's events get the aggregate as their key.
#
# **Exercise.** `rows` are unsent rows as the database happened to give them: dicts with `id`, `aggregate`, `type`, `created_at`. Return what one round of the relay sends, at most `batch` rows, as a list of `[id, key]` in the order of sending. The rows that were written first go first: no aggregate may make the others wait.


# %%
def publish_plan(rows: list[dict], batch: int) -> list[list]:
    # BEGIN SOLUTION
    in_order = sorted(rows, key=lambda row: row["id"])
    return [[row["id"], row["aggregate"]] for row in in_order[:batch]]
    # END SOLUTION


# %%
lab.check("publish_plan")

# %% [markdown]
# ## 4. The relay
#
# A **polling publisher**, or relay, moves rows from the outbox to Kafka: take some, send them, mark them. A real one looks every few seconds, for ever. Ours ends when nothing is unsent.
#
# It makes two writes to two systems again! What can happen between these two, and why is that harmless here?

# %% [markdown]
# **Exercise.** Send the unsent rows to `OUTPUT_TOPIC`, at most `BATCH` at a time, oldest first. The key is the aggregate, the value is `{"event": id, "aggregate", "type", "payload"}`. Set `sent_at` for what Kafka has. After a crash no event may be missing, and no more than one batch may be there twice.

# %% worker="relay"
import json
import os

import psycopg
from kafka import KafkaProducer

BATCH = int(os.environ["BATCH"])
TOPIC = os.environ["OUTPUT_TOPIC"]

producer = KafkaProducer(bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"])
db = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)


def send(number: int, aggregate: str, kind: str, payload: dict) -> None:
    event = {"event": number, "aggregate": aggregate, "type": kind, "payload": payload}
    producer.send(TOPIC, json.dumps(event).encode(), key=aggregate.encode())


# BEGIN SOLUTION
TAKE = """SELECT id, aggregate, type, payload FROM outbox
          WHERE sent_at IS NULL ORDER BY id LIMIT %s"""
MARK = "UPDATE outbox SET sent_at = now() WHERE id = ANY(%s)"

while rows := db.execute(TAKE, [BATCH]).fetchall():
    for row in rows:
        send(*row)
    producer.flush()
    db.execute(MARK, [[row[0] for row in rows]])
# STARTER raise NotImplementedError("take a batch, send it, mark it; until nothing is unsent")
# END SOLUTION

producer.close()

# %%
lab.check("relay")

# %% [markdown]
# Now look at the price. We kill your relay when Kafka has the second batch and the rows are not marked yet.

# %%
relay_env = {
    "KAFKA_BOOTSTRAP_SERVERS": kafka,
    "DATABASE_URL": fresh(),
    "OUTPUT_TOPIC": topics.create(kafka, partitions=2),
    "BATCH": "3",
}
steps = ["OrderPlaced", "OrderPaid", "OrderShipped"]
new = [(f"{order['order']}", step) for step in steps for order in requests]
write = "INSERT INTO outbox (aggregate, type, payload) VALUES (%s, %s, '{}')"
databases.run(relay_env["DATABASE_URL"], write, new)

trial = lab.run("relay", relay_env, crash=Point("before", "UPDATE", 2))
timeline(trial.trace, "the relay, killed before it could mark the second batch")

# %%
sent = [event["event"] for event in topics.read(kafka, relay_env["OUTPUT_TOPIC"])]
print("sent:", sorted(sent))
print("sent twice:", sorted({event for event in sent if sent.count(event) > 1}))

# %% [markdown]
# The relay is **at least once**: it would rather say a thing twice than not at all. The dual write could lose an event for good; this can only repeat one. And a repetition carries the same event number, so that a consumer can tell. We come to that in part 6.

# %% [markdown]
# ## 5. Two relays
#
# One relay is one machine that can fail. Start a second, and both take the oldest unsent rows. The same ones? Here are two connections, each in a transaction of its own:

# %%
ROWS = "SELECT id, aggregate FROM outbox WHERE sent_at IS NULL ORDER BY id LIMIT 5"
two_db = fresh()
databases.run(two_db, write, new)
with psycopg.connect(two_db) as a, psycopg.connect(two_db) as b:
    for words in ("", " FOR UPDATE SKIP LOCKED"):
        first, second = a.execute(ROWS + words).fetchall(), b.execute(ROWS + words).fetchall()
        print("A takes", [row[0] for row in first], " B takes", [row[0] for row in second], words)

# %% [markdown]
# `FOR UPDATE` locks the rows until the transaction ends. Whoever wants them then waits, unless it says `SKIP LOCKED`: take what is free. That makes a table a work queue.
#
# **Exercise.** Make your relay one of which two can run. Nothing may be sent twice, and none may wait for the other. What a dead relay had in hand must be sent by another. It ends when there is nothing left that it could take.

# %% worker="two_relays"
import json
import os

import psycopg
from kafka import KafkaProducer

BATCH = int(os.environ["BATCH"])
TOPIC = os.environ["OUTPUT_TOPIC"]

producer = KafkaProducer(bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"])
db = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)


def send(number: int, aggregate: str, kind: str, payload: dict) -> None:
    event = {"event": number, "aggregate": aggregate, "type": kind, "payload": payload}
    producer.send(TOPIC, json.dumps(event).encode(), key=aggregate.encode())


# BEGIN SOLUTION
TAKE = """SELECT id, aggregate, type, payload FROM outbox
          WHERE sent_at IS NULL ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED"""
MARK = "UPDATE outbox SET sent_at = now() WHERE id = ANY(%s)"

rows = [()]
while rows:
    with db.transaction():
        rows = db.execute(TAKE, [BATCH]).fetchall()
        for row in rows:
            send(*row)
        producer.flush()
        db.execute(MARK, [[row[0] for row in rows]])
# STARTER raise NotImplementedError("your relay, with rows that it locks while it sends them")
# END SOLUTION

producer.close()

# %%
lab.check("two_relays")

# %% [markdown]
# Full marks, and a new problem. *A* holds rows 1 to 5 and is slow; *B* skips them. Watch one order, in the order in which Kafka gets its events:

# %%
log = []
with psycopg.connect(two_db) as a, psycopg.connect(two_db) as b:
    take = ROWS.replace("id, aggregate", "id, aggregate, type") + " FOR UPDATE SKIP LOCKED"
    slow = a.execute(take).fetchall()
    log += b.execute(take).fetchall()  # B sends while A still holds its rows
    log += slow
arrived = pd.DataFrame(log, columns=["event", "order", "type"])
arrived[arrived["order"] == new[0][0]]

# %% [markdown]
# Paid before placed. `SKIP LOCKED` gives up the order within an aggregate. If you need that order, either let only one relay be active (the other stands by), or give every relay **its own aggregates**: a hash of the aggregate tells which.
#
# Postgres has `hashtext(text)`. Look at what it gives:

# %%
orders_seen = "SELECT DISTINCT aggregate, hashtext(aggregate) FROM outbox"
pd.DataFrame(databases.rows(two_db, orders_seen))

# %% [markdown]
# **Exercise.** Write one `SELECT`: the unsent rows, all columns, that belong to relay number `%(relay)s` (from 0) of `%(relays)s`, oldest first, at most `%(batch)s`. Every aggregate belongs to exactly one relay. These three names are filled in by psycopg, which takes a bare `%` for one of them: use `mod(a, b)`.

# %%
# BEGIN SOLUTION
my_share = """
SELECT * FROM outbox
WHERE sent_at IS NULL AND mod(abs(hashtext(aggregate)::bigint), %(relays)s) = %(relay)s
ORDER BY id LIMIT %(batch)s
"""
# STARTER my_share = ...  # a text: """SELECT ..."""
# END SOLUTION

# %%
lab.check("my_share")

# %% [markdown]
# Shares have their price too: when a relay dies, its aggregates wait until somebody takes over its number. That is what a consumer group does for partitions, and why larger shops read the database's log instead of polling (change data capture, lab 16).

# %% [markdown]
# ## 6. The inbox
#
# The loyalty programme reads the events: an order earns points, a cancelled order takes them back. Below, the relay has sent three events, was killed, and sent them again. The consumer trusts that every event is new:

# %%
points_db, earned = fresh(), topics.create(kafka)
events = [
    {"event": n, "aggregate": f"{order['order']}", "type": "OrderPlaced", "payload": order}
    for n, order in enumerate(requests[:3], start=1)
]
topics.produce(kafka, earned, [*events, *events], key="")
for event in topics.read(kafka, earned):
    order = event["payload"]
    row = (order["customer"], order["order"], order["amount"] // 100)
    databases.run(points_db, "INSERT INTO bookings VALUES (%s, %s, %s)", [row])
pd.DataFrame(databases.rows(points_db, "SELECT * FROM bookings ORDER BY order_id"))

# %% [markdown]
# Every order earned twice. The mirror image of the outbox helps: an **inbox**, a table of the events that were handled. Its primary key refuses a second row, so the database itself tells whether an event is new.
#
# The event is handled once if its row in the inbox and its effect cannot part. You know how to do that.

# %% [markdown]
# **Exercise.** Book the points of every event in `INPUT_TOPIC` exactly once. Some events come again, at once or much later. An order can have two events: `OrderPlaced` and `OrderCancelled`.

# %% worker="inbox"
import json
import os

import psycopg
from kafka import KafkaConsumer

from streamgym.workers import at_end

consumer = KafkaConsumer(
    os.environ["INPUT_TOPIC"],
    bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
    group_id=os.environ["GROUP_ID"],
    auto_offset_reset="earliest",
    enable_auto_commit=False,
    max_poll_records=10,
)
db = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)


def book(event: dict) -> None:
    order = event["payload"]
    points = order["points"] if event["type"] == "OrderPlaced" else -order["points"]
    row = (order["customer"], order["order"], points)
    db.execute("INSERT INTO bookings VALUES (%s, %s, %s)", row)


def handle(event: dict) -> None:
    # BEGIN SOLUTION
    with db.transaction():
        first_time = db.execute(
            "INSERT INTO inbox (event) VALUES (%s) ON CONFLICT DO NOTHING", [event["event"]]
        )
        if first_time.rowcount:
            book(event)
    # STARTER raise NotImplementedError("book(event), unless the inbox knows it already")
    # END SOLUTION


# BEGIN SOLUTION
while not at_end(consumer):
    for batch in consumer.poll(timeout_ms=200).values():
        for record in batch:
            handle(json.loads(record.value))
    consumer.commit()
# STARTER while not at_end(consumer):
# STARTER     for batch in consumer.poll(timeout_ms=200).values():
# STARTER         for record in batch:
# STARTER             handle(json.loads(record.value))
# STARTER     # the offset is not committed yet: where does it belong?
# END SOLUTION

# %%
lab.check("inbox")

# %% [markdown]
# Producer: at least once. Topic: duplicates. Consumer: idempotent. Together the effect is **exactly once**, with neither a Kafka transaction nor a distributed one. The event's number made it possible: it was born in the order's transaction and never changes.
#
# An e-mail cannot be rolled back. For such effects the inbox is no cure, only an idempotency key at the other end is.

# %% [markdown]
# ## 7. Clean up
#
# Sent rows are of no use for long, and a table that only grows makes every poll slower. But a row that was *never* sent is a promise to the world, however old it is.
#
# **Exercise.** Write one `DELETE` that removes the rows that were *sent* more than `task["days"]` days ago. How long ago they were *written* does not matter: after a long outage, old rows have only just been sent.

# %%
task = lab.task("clean_up")
print(f"ekart keeps sent rows for {task['days']} days")

# %%
# BEGIN SOLUTION
clean_up = f"DELETE FROM outbox WHERE sent_at < now() - interval '{task['days']} days'"
# STARTER clean_up = ...  # a text: "DELETE ..."
# END SOLUTION

# %%
lab.check("clean_up")

# %% [markdown]
# ## 8. Is it keeping up?
#
# A relay that has died makes no noise: orders are saved, pages load, and no event leaves the house. Watch two numbers: how many rows wait, and how long the oldest has been waiting.
#
# **Exercise.** Write one `SELECT` that gives one row with `waiting`, the number of unsent rows, and `seconds`, the age of the oldest unsent row. Both are 0 when nothing waits.

# %%
# BEGIN SOLUTION
lag = """
SELECT count(*) AS waiting,
       coalesce(extract(epoch FROM now() - min(created_at)), 0) AS seconds
FROM outbox WHERE sent_at IS NULL
"""
# STARTER lag = ...  # a text: "SELECT ..."
# END SOLUTION

# %%
lab.check("lag")

# %% [markdown]
# Now live, with your statement, a hundred times faster than in life. Every 5 seconds the relay takes 100 rows, which is at most 20 events a second. The shop writes 60 events in 5 seconds, but 160 in the rush, for 50 seconds. Guess first: how long until the relay has caught up?

# %%
live = psycopg.connect(fresh(), autocommit=True)
WRITE = "INSERT INTO outbox (aggregate, type, payload) SELECT n, 'OrderPlaced', '{}' FROM generate_series(1, %s) n"
SENT = """UPDATE outbox SET sent_at = now() WHERE id IN
          (SELECT id FROM outbox WHERE sent_at IS NULL ORDER BY id LIMIT 100)"""
seen = []
for tick in range(45):
    live.execute(WRITE, [160 if 10 <= tick < 20 else 60])
    time.sleep(0.05)
    live.execute(SENT)
    waiting, age = live.execute(lag).fetchone()
    seen.append({"second": 5 * tick, "rows that wait": waiting, "age of the oldest (s)": age * 100})
picture = pd.DataFrame(seen).astype(float).plot(x="second", subplots=True, figsize=(9, 4))

# %% [markdown]
# The rush ends after 100 seconds, the backlog 75 seconds later. Each second of overload costs one and a half seconds of catching up: 60 rows too many in each round, and only 40 to spare afterwards. A larger batch, or a shorter pause, is the first thing to turn; a second relay the next.

# %% [markdown]
# ## What you can now answer
#
# - *How do you save to a database and publish an event, reliably?* Not by two writes. The event is a row in the same transaction; a relay sends it at least once.
# - *At least once or exactly once?* Delivery is at least once. The effect is exactly once, when effect and inbox row share a transaction.
# - *How do you keep order?* A sequence number, the aggregate as the key, and one relay for each aggregate. It costs parallelism.
# - *Is the outbox event sourcing?* No. Orders are still the truth, events only tell of it. In event sourcing the events *are* the truth, and read models (CQRS) follow from them, often through a relay such as this.

# %%
lab.progress()
