# ---
# title: One log, and the views that are made from it
# chapters: [8, 9]
# questions: [4, 12, 17, 20, 26, 28]
# minutes: 25
# ---

# %% [markdown]
# # One log, many views
#
# Lambda, Kappa, event sourcing and CQRS are four answers to one question: what is the truth, and what is only a view that can be thrown away? You will run all four on the shop's events, and catch each of them with a wrong number.

# %%
from collections import Counter
from contextlib import ExitStack
from functools import reduce
from pathlib import Path
from random import Random

import pandas as pd
import psycopg
from IPython.display import Code

from streamgym.checks import databases, topics
from streamgym.data import shop
from streamgym.lab.predict import predict
from streamgym.lab.scripts import workspace
from streamgym.stack import shared
from streamgym.tours import event_relay, event_store, log_views, orders, scripts
from streamgym.tours.waiting import wait_until

kafka, postgres = shared.address("kafka"), shared.address("postgres")
workers = scripts.workers()

# %% [markdown]
# ## The log
#
# A month of the shop, in one topic, in the order in which it became known. Twice the service that writes it was killed, and began again a little before the place where it died.

# %%
log = topics.create(kafka)
month = orders.history(seed=7)
events = month[:150] + month[100:400] + month[360:]
topics.produce(kafka, log, events, key="order_id")
for event in events[:3]:
    print(event["event_time"][:16], event["type"], event["order_id"])

# %% [markdown]
# ## Lambda: two layers
#
# What is sold each day? The **speed layer** takes the events one by one. It is small, and always up to date.

# %%
speed = Counter()
for event in topics.read(kafka, log):
    if event["type"] == "order-created":
        speed[int(event["event_time"][8:10])] += event["amount_cents"]

# %% [markdown]
# The **batch layer** reads the whole log every night. It has time, so it is done with care.


# %%
def batch(events, until):
    frame = pd.DataFrame(events).drop_duplicates("event_id")
    day = frame["event_time"].str[8:10].astype(int)
    placed = (frame["type"] == "order-created") & (day <= until)
    return frame[placed].groupby(day)["amount_cents"].sum().astype(int).to_dict()


nightly = batch(topics.read(kafka, log), until=30)
log_views.draw_days({"speed layer": speed, "batch layer": nightly})

# %% [markdown]
# The same events, and two answers. Where grey stands out, the speed layer has counted orders twice: those that came again after the kill. The batch layer looks at `event_id`.
#
# The **serving layer** merges them: the batch's answer up to its last run, after that the speed layer's. So each night mends the errors of one more day.


# %%
def served(layer, last):
    return {day: (layer if day <= last else speed).get(day, 0) for day in range(1, 31)}


for last in (0, 10, 20, 30):
    error = sum(served(nightly, last).values()) - sum(nightly.values())
    print(f"batch until day {last:2}: {error / 100:9,.2f} euros too much")

# %% [markdown]
# ## The rule changes
#
# From now on cancelled orders do not count. The batch layer is a query; it is changed in a minute, and runs again over all of June's first twenty days. The speed layer is another program, of another team.


# %%
def batch_by_new_rule(events, until):
    cancelled = {e["order_id"] for e in events if e["type"] == "order-cancelled"}
    return batch([e for e in events if e["order_id"] not in cancelled], until)


seam = predict(
    "What does the dashboard show from tonight on?",
    "all days by the old rule",
    "all days by the new rule",
    "some days by each",
)

# %%
new = batch_by_new_rule(topics.read(kafka, log), until=30)
shown = served(new, last=20)
log_views.draw_days({"served": shown, "by the new rule": new}, seam=20)

# %%
old_days = {day for day, cents in shown.items() if cents != new.get(day, 0)}
seam.reveal(
    "some days by each" if 0 < len(old_days) < 20 else "all days by the new rule",
    f"Up to the seam no grey stands out; after it {len(old_days)} days are by the old rule. That is the price of Lambda: each rule lives twice, in two programs, and they seldom change in the same minute.",
)

# %% [markdown]
# ## Kappa: one program
#
# Kappa has the stream only, and does it with care. The view is a table in Postgres with a row for each order; whoever writes a row twice changes nothing. Readers see `sales`, and do not know which version stands behind it.

# %%
sales = databases.create(postgres)
db = psycopg.connect(sales, autocommit=True)
db.execute("CREATE TABLE v1 (order_id int PRIMARY KEY, cents int)")
db.execute("CREATE VIEW sales AS SELECT * FROM v1")


def version_1(event):
    if event["type"] == "order-created":
        row = event["order_id"], event["amount_cents"]
        db.execute("INSERT INTO v1 VALUES (%s, %s) ON CONFLICT DO NOTHING", row)


log_views.project(kafka, log, f"{log}-v1", version_1)

# %% [markdown]
# Now the new rule. It is written once, as a new version, into a new table. A cancelled order is worth nothing, in whatever order its events come.

# %%
db.execute("CREATE TABLE v2 (order_id int PRIMARY KEY, cents int)")


def version_2(event, table="v2"):
    rules = {"order-created": "NOTHING", "order-cancelled": "UPDATE SET cents = 0"}
    rule = rules.get(event["type"])
    if rule:
        row = event["order_id"], event.get("amount_cents", 0)
        clash = f"ON CONFLICT (order_id) DO {rule}"
        db.execute(f"INSERT INTO {table} VALUES (%s, %s) {clash}", row)


# %% [markdown]
# It reads the log as a **new consumer group**, from offset 0. The old version goes on meanwhile. After each batch we ask all three: old, new, and what readers see.


# %%
def total(table):
    return db.execute(f"SELECT coalesce(sum(cents), 0) FROM {table}").fetchone()[0]


looks = []


def look(read):
    looks.append({"read": read} | {name: total(name) for name in ("v1", "v2", "sales")})


log_views.project(kafka, log, f"{log}-v2", version_2, after=look)

# %% [markdown]
# The new version has caught up. Readers are moved in one statement, and could be moved back.

# %%
db.execute("CREATE OR REPLACE VIEW sales AS SELECT * FROM v2")
look(looks[-1]["read"])
log_views.draw_replay(pd.DataFrame(looks))

# %%
print(f"v2 {total('sales'):,} cents, batch layer by the new rule {sum(new.values()):,} cents")

# %% [markdown]
# No reader saw a half-made view, and the sum is the batch layer's, to the cent. So who needs a batch layer?

# %%
kept = predict(
    "Retention has deleted the older half of the log. A third version is replayed. What comes of it?",
    "an error: offset 0 is gone",
    "the right sum",
    "too small a sum, and no error",
)

# %%
topics.delete_records(kafka, log, {0: len(events) // 2})
db.execute("CREATE TABLE v3 (order_id int PRIMARY KEY, cents int)")
read = log_views.project(kafka, log, f"{log}-v3", lambda event: version_2(event, "v3"))
print(f"{read} of {len(events)} events read: {total('v3'):,} cents instead of {total('v2'):,}")

# %%
kept.reveal(
    "too small a sum, and no error" if total("v3") < total("v2") else "the right sum",
    "earliest means the oldest record that is still there. Kappa lives on a log that is kept for ever, for instance in tiered storage. And divide its length by your throughput, to know how long a replay takes.",
)
db.close()

# %% [markdown]
# ## Event sourcing
#
# Now the log is not of the shop, but of one thing: a customer's loyalty account. No table has its balance. It has what happened, and each event has the next **version** of its account.

# %%
url = databases.create(postgres, event_store.SCHEMA)
store = event_store.Store(url)
Code(event_store.SCHEMA, language="sql")

# %% [markdown]
# Why not in Kafka? One account's events lie scattered over a partition, among those of all others: to find them you would have to read it all.
#
# Ada orders 480 times, and now and then turns 500 points into a voucher.

# %%
for number, order in enumerate(shop.orders(Random(7), 480), 1):
    what = ("redeemed", 500) if number % 8 == 0 else ("ordered", order["amount"])
    store.append("ada", number, *what)
store.events("ada")[6:9]

# %% [markdown]
# The state is a **fold** over events. This rule is all there is to it: a point for each euro.


# %%
def points(total, event):
    if event["type"] == "redeemed":
        return total - event["amount"]
    return total + event["amount"] // 100


EMPTY = event_store.Snapshot()


def rebuild(account, until=event_store.LAST, rule=points, start=EMPTY):
    found = store.events(account, start.version, until)
    return reduce(rule, found, start.points), len(found)


rebuild("ada"), rebuild("ada", until=100)

# %% [markdown]
# The second is **time travel**: what she had after 100 events. The number beside it is what it cost: events read. So keep a **snapshot** every 100 events.

# %%
hundreds = (100, 200, 300, 400)
kept = [event_store.Snapshot(version, rebuild("ada", version)[0]) for version in hundreds]
for snapshot in kept:
    store.keep("ada", snapshot)

without = {n: rebuild("ada", n) for n in range(0, 481, 4)}
with_one = {n: rebuild("ada", n, start=store.snapshot("ada", n)) for n in without}
event_store.draw_state({n: found for n, (found, _) in with_one.items()}, kept)

# %%
costs = {"from the beginning": without, "from a snapshot": with_one}
event_store.draw_reads(
    {name: {n: read for n, (_, read) in found.items()} for name, found in costs.items()}
)

# %% [markdown]
# Without snapshots a command costs more the longer a customer has been with you. With them it costs at most 100 events, and the answers are the same.

# %%
stale = predict(
    "The shop is generous: two points a euro, also for all past orders. Only the rule is changed. Is a rebuild right?",
    "yes, with and without a snapshot",
    "only without a snapshot",
    "no: the past cannot be changed",
)


# %%
def generous(total, event):
    return points(total, event) + (event["amount"] // 100 if event["type"] == "ordered" else 0)


whole, _ = rebuild("ada", rule=generous)
short, _ = rebuild("ada", rule=generous, start=store.snapshot("ada"))
earned = sum(e["amount"] // 100 for e in store.events("ada") if e["type"] == "ordered")
due = rebuild("ada")[0] + earned
print(f"due {due:,}, from the beginning {whole:,}, from a snapshot {short:,}")

# %%
stale.reveal(
    "yes, with and without a snapshot" if whole == short == due else "only without a snapshot",
    "The events are facts, and stay right under any rule. A snapshot is a result of the old rule. It is a cache: note in it which rule made it, and throw it away with the rule.",
)

# %% [markdown]
# ## Two commands at once
#
# Ben has 4 points. Two tills read that at the same moment, and both redeem all of it.

# %%
store.append("ben", 1, "ordered", 450)
version = store.version("ben")  # both tills see this one
store.append("ben", version + 1, "redeemed", 4)
try:
    store.append("ben", version + 1, "redeemed", 4)
except psycopg.errors.UniqueViolation as refused:
    print(refused.diag.message_detail)

# %% [markdown]
# The key refuses the second: somebody was faster. That till rebuilds the account, sees 0 points, and decides anew. This is **optimistic concurrency**, and no lock was held.

# %% [markdown]
# ## CQRS: a side to write, and a side to read
#
# The app wants points and orders at a glance, of many accounts: a table made for reading. [A relay](../streamgym/tours/event_relay.py) sends new events to a topic, keyed by account. The table of events is its **outbox** ([lab 06](../labs/06_outbox/lab.ipynb)). A projector keeps the read side.

# %%
READ_SIDE = """
CREATE TABLE accounts (account text PRIMARY KEY, points int, orders int, version int);
CREATE TABLE shown (account text, version int, at timestamptz DEFAULT clock_timestamp());
"""
read_side = databases.create(postgres, READ_SIDE)

# %% worker="projector"
import json
import os

import psycopg

from streamgym.tours.serving import member

ADD = """
WITH added AS (
    INSERT INTO accounts VALUES (%s, %s, %s, %s) ON CONFLICT (account) DO UPDATE SET
    points = accounts.points + excluded.points, orders = accounts.orders + excluded.orders,
    version = excluded.version WHERE accounts.version = excluded.version - 1
    RETURNING account, version
)
INSERT INTO shown SELECT account, version FROM added
"""


def show(event):
    ordered, amount = event["type"] == "ordered", event["amount"]
    values = (amount // 100, 1) if ordered else (-amount, 0)
    db.execute(ADD, (event["account"], *values, event["version"]))


db = psycopg.connect(os.environ["READ_SIDE"], autocommit=True)
consumer = member(os.environ["TOPIC"], os.environ["TOPIC"])
while True:
    for records in consumer.poll(timeout_ms=60_000).values():
        for record in records:
            show(json.loads(record.value))
        consumer.commit()

# %% [markdown]
# The relay sends *at least once*. So the projector takes only an account's *next* version, and leaves out what comes again. In `shown` it notes when it had which version.


# %%
def read(account):
    found = databases.rows(read_side, "SELECT * FROM accounts WHERE account = %s", [account])
    return found[0] if found else {"version": 0}


public, running = topics.create(kafka), ExitStack()
env = {"BROKERS": kafka, "TOPIC": public, "STORE": url, "READ_SIDE": read_side}
places = {
    name: running.enter_context(workspace(script))
    for name, script in {"relay": Path(event_relay.__file__).read_text(), **workers}.items()
}
processes = {name: place.start(env) for name, place in places.items()}
wait_until(lambda: read("ada")["version"] == 480, "the read side has caught up")
read("ada"), rebuild("ada")[0]

# %% [markdown]
# Both sides agree. A command appends an event, and gives back its version.


# %%
def order(account, amount):
    version = store.version(account) + 1
    store.append(account, version, "ordered", amount)
    return version


own = predict(
    "The projector is busy for a moment. Ada orders, and her page loads anew from the read side. What does she see?",
    "her new points",
    "her old points",
    "an error",
)

# %%
processes["projector"].freeze()  # busy
before, written = read("ada"), order("ada", 9900)
after = read("ada")
print(f"written: version {written}; the page shows version {after['version']}")

# %%
own.reveal(
    "her old points" if after == before else "her new points",
    "The read side is always a little behind; mostly you do not notice, and that makes it a bug of bad days. She will order again.",
)

# %% [markdown]
# ## Read your own write
#
# The command gave a version. Whoever wants to see their own write asks the read side for *at least* that version, and waits; or asks the write side. Ada orders 60 times while the projector is busy, and 60 times when it is not.


# %%
def read_at_least(account, version):
    wait_until(lambda: read(account)["version"] >= version, f"version {version} can be read")
    return read(account)


versions = [order("ada", 1000) for _ in range(60)]
processes["projector"].wake()
versions += [order("ada", 1000) for _ in range(60)]
read_at_least("ada", versions[-1]), rebuild("ada")

# %% [markdown]
# How far was the read side behind? Each event was stamped when it was written, and when it was shown. The gap upwards is the lag in events, that to the right the lag in time.

# %%
lag = event_store.delays(url, read_side, "ada").loc[written:]
event_store.draw_lag(lag)
behind = (lag["shown"] - lag["written"]).dt.total_seconds()
print(f"at worst {1000 * behind.max():,.0f} ms, at the end {1000 * behind.iloc[-1]:,.0f} ms")

# %% [markdown]
# ## And when the relay dies?
#
# It sends, then it marks as sent. Killed in between, it has forgotten that it sent, and sends again. Let it forget everything.

# %%
wait_until(lambda: not databases.rows(url, "SELECT FROM events WHERE NOT sent"), "all is sent")
processes["relay"].kill()
databases.run(url, "UPDATE events SET sent = false", [()])
places["relay"].start(env)
twice = 2 * (store.version("ada") + store.version("ben"))
wait_until(lambda: sum(topics.committed(kafka, public).values()) == twice, "all came twice")
read("ada"), rebuild("ada")[0]

# %% [markdown]
# Each event has come twice, and counts once: **at least once, and a consumer that is idempotent**. That needs no transaction of Kafka, only a version to compare. It also needs order: all events of an account have its key, and so one partition.

# %%
running.close()
store.close()
topics.delete(kafka, [log, public])
for database in (sales, url, read_side):
    databases.drop(postgres, database)

# %% [markdown]
# ## Change data capture
#
# The chapter's fifth pattern reads the database's own log instead of a table of events. It needs no outbox, and tells *that* a row changed, not *why*: `points: 40 → 90` may be an order or a correction.

# %% [markdown]
# ## What you can now answer
#
# - Lambda or Kappa? Two programs that must agree, or one log that must be kept. Kappa switches by a new group, a new table, and one statement.
# - What is event sourcing? Events are the truth, the state is a fold, a snapshot is a cache of it. And its cost? Events and rules that must fit each other for ever.
# - What is CQRS? Two models, and a lag between them that somebody sees.
# - How do you write an event and publish it, both or neither? See [lab 06](../labs/06_outbox/lab.ipynb); how a consumer without versions counts each event once, [lab 05](../labs/05_exactly_once/lab.ipynb).
#
# Questions 4, 12, 17, 20, 26 and 28 on the [start page](00_start.ipynb) go further.
