# ---
# title: One log, and the views that are made from it
# chapters: [8]
# questions: [12, 26]
# minutes: 15
# ---

# %% [markdown]
# # One log, many views
#
# Lambda and Kappa are two answers to one question: how do you make a view of a log that is both up to date and right? You will run both on the shop's events, and catch each with a wrong number.

# %%
from collections import Counter

import pandas as pd
import psycopg

from streamgym.checks import databases, topics
from streamgym.lab.predict import predict
from streamgym.stack import shared
from streamgym.tours import log_views, orders

kafka, postgres = shared.address("kafka"), shared.address("postgres")

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
topics.delete(kafka, [log])
databases.drop(postgres, sales)

# %% [markdown]
# ## What you can now answer
#
# - What is the Lambda architecture, and what is wrong with it? Two layers answer one question: a quick one, and a careful one that mends it each night. Two programs must agree.
# - When Kappa? When one log can be kept, and replayed in time. It switches by a new group, a new table, and one statement.
#
# Where the log itself is the truth, and a view is somebody's page: that is the [next tour](08b_event_sourcing_and_cqrs.ipynb). Questions 12 and 26 on the [start page](00_start.ipynb) go further.
