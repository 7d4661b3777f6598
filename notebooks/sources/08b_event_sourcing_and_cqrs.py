# ---
# title: Events are the truth, and tables are views
# chapters: [8, 9]
# questions: [4, 17, 20, 28]
# minutes: 15
# ---

# %% [markdown]
# # Events are the truth
#
# What has a customer's account come to, and why? With event sourcing and CQRS the events answer the second question, and a view the first. You will make both, and catch each of them with a wrong number.

# %%
from contextlib import ExitStack
from functools import reduce
from pathlib import Path
from random import Random

import psycopg
from IPython.display import Code

from streamgym.checks import databases, topics
from streamgym.data import shop
from streamgym.lab.predict import predict
from streamgym.lab.scripts import workspace
from streamgym.stack import shared
from streamgym.tours import event_relay, event_store, scripts
from streamgym.tours.waiting import wait_until

kafka, postgres = shared.address("kafka"), shared.address("postgres")
workers = scripts.workers()

# %% [markdown]
# ## Event sourcing
#
# The log is of one thing: a customer's loyalty account. No table has its balance. It has what happened, and each event has the next **version** of its account.

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
#
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
topics.delete(kafka, [public])
for database in (url, read_side):
    databases.drop(postgres, database)

# %% [markdown]
# ## Change data capture
#
# The chapter's fifth pattern reads the database's own log instead of a table of events. It needs no outbox, and tells *that* a row changed, not *why*: `points: 40 → 90` may be an order or a correction.
#
# ## What you can now answer
#
# - What is event sourcing? Events are the truth, the state is a fold, a snapshot is a cache of it. And its cost? Events and rules that must fit each other for ever.
# - What is CQRS? Two models, and a lag between them that somebody sees.
# - How do you write an event and publish it, both or neither? See [lab 06](../labs/06_outbox/lab.ipynb); how a consumer without versions counts each event once, [lab 05](../labs/05_exactly_once/lab.ipynb).
#
# Questions 4, 17, 20 and 28 on the [start page](00_start.ipynb) go further.
