# ---
# title: Filter, join, window, and what they remember
# chapters: [2]
# questions: [1, 6, 7]
# minutes: 20
# ---

# %% [markdown]
# # Five patterns, and what they remember
#
# Filter, transform, aggregate, join, window: every stream program is made of these five. You will run each on the shop's events. Then you kill the program, open its memory, and read what is in it.

# %%
import json
import shutil
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bytewax import operators as op
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.operators import windowing as win
from bytewax.testing import TestingSink, run_main

from streamgym.checks import topics
from streamgym.lab.predict import predict
from streamgym.lab.scripts import workspace
from streamgym.stack import shared
from streamgym.tours import orders, shop_flow, state

kafka = shared.address("kafka")  # starts a broker when none runs

# %% [markdown]
# ## A stream of events
#
# An order is placed, its goods are reserved, it is paid, it is completed: a month of that, in the order in which it became known. All of it goes into a topic.

# %%
events = orders.history(seed=7)
topic = topics.create(kafka)
topics.produce(kafka, topic, events, key="order_id")
for event in events[:4]:
    print(event["event_time"][:16], event["type"], event["order_id"])

# %% [markdown]
# A dataflow begins with a source and ends with a sink. Here the sink is a list, so that you see what comes out.


# %%
def source(name):
    flow = Dataflow(name)
    read = kop.input("read", flow, brokers=[kafka], topics=[topic], tail=False)
    return flow, op.map("parse", read.oks, lambda message: json.loads(message.value))


def run(flow, results):
    found = []
    op.output("write", results, TestingSink(found))
    run_main(flow)
    return found


# %% [markdown]
# ## 1 and 2. Filter and transform
#
# Which orders are above 500 euros? Each event is looked at once, by itself, and forgotten. Such a program has no memory, and nothing to lose.


# %%
def is_placed(event):
    return event["type"] == "order-created"


flow, stream = source("large")
created = op.filter("created", stream, is_placed)
filtered = op.filter("large", created, lambda event: event["amount_cents"] > 50_000)
large = run(flow, op.map("euros", filtered, lambda event: event["amount_cents"] / 100))
print(f"{len(events)} events in, {len(large)} out, such as {large[:3]} euros")

# %% [markdown]
# ## 3. Aggregate
#
# What has each seller sold? A batch job would give one number a seller. The stream does not end.

# %%
placed = orders.placed(events)
sellers = {event["seller_id"] for event in placed}
answers = predict(
    f"{len(placed)} orders of {len(sellers)} sellers go into a sum per seller. What comes out?",
    f"{len(sellers)} sums, at the end",
    f"{len(placed)} sums, one an order",
)


# %%
def add(total, event):
    total = (total or 0) + event["amount_cents"]
    return total, total  # what is remembered, and what comes out


flow, stream = source("totals")
created = op.filter("created", stream, is_placed)
by_seller = op.key_on("seller", created, lambda event: str(event["seller_id"]))
totals = run(flow, op.stateful_map("total", by_seller, add))
[(seller, cents) for seller, cents in totals if seller == "11"]

# %%
answers.reveal(
    f"{len(placed)} sums, one an order"
    if len(totals) == len(placed)
    else f"{len(sellers)} sums, at the end",
    "An aggregate over a stream is never done: each event makes a new answer, and the old one is out of date. Who reads them must take the newest of a key.",
)

# %% [markdown]
# ## 4. Join
#
# Which order was paid how? An order and its payment are two events, minutes apart. The join keeps the one until the other is there.


# %%
def number(event):
    return str(event["order_id"])


flow, stream = source("paid")
left = op.key_on("orders", op.filter("created", stream, is_placed), number)
paid = op.filter("paid", stream, lambda event: event["type"] == "payment-processed")
pairs = run(flow, op.join("join", left, op.key_on("payments", paid, number)))
for order, (bought, payment) in pairs[:3]:
    print(order, bought["event_time"][11:16], payment["event_time"][11:16], payment["method"])

# %% [markdown]
# ## 5. Window
#
# How many orders a day? Not the day on which the program sees them, but that in which they were placed: the **event time**.

# %%
clock = win.EventClock(
    lambda event: datetime.fromisoformat(event["event_time"]),
    wait_for_system_duration=timedelta(days=2),
)
begin = datetime(2025, 6, 1, tzinfo=UTC)
days = win.TumblingWindower(length=timedelta(days=1), align_to=begin)
flow, stream = source("days")
created = op.filter("created", stream, is_placed)
counts = run(flow, win.count_window("window", created, clock, days, key=lambda _: "shop").down)

# %%
state.bars({day + 1: count for _, (day, count) in counts}, "day of June 2025", "orders")

# %% [markdown]
# Each window came out when the **watermark** had passed its end. [Lab 03](../labs/03_windowing/lab.ipynb) shows what that is, and who comes too late.

# %% [markdown]
# ## Kill it
#
# Sum, join and window have memory. What happens to it when the program dies? Here they run together [in one program](../streamgym/tours/shop_flow.py), as a process of its own. It gets the first half of the month, and is killed as `kill -9` does: no farewell, no clean-up.

# %%
first, second = events[: len(events) // 2], events[len(events) // 2 :]
topic, target = topics.create(kafka), topics.create(kafka)
topics.produce(kafka, topic, first, key="order_id")

folders = ExitStack()
place = folders.enter_context(workspace(Path(shop_flow.__file__).read_text()))
env = {"BROKERS": kafka, "INPUT": topic, "OUTPUT": target}
process = place.start(env)
state.wait_for(kafka, target, orders.placed(first))  # each order is in a total
process.kill()

# %% [markdown]
# ## What did it remember?
#
# Bytewax kept the program's state in a **recovery store**: SQLite files in a folder. Nothing stops us from reading them.

# %%
remembered = state.snapshots(place.folder / "store")
state.table(remembered)

# %% [markdown]
# The guide names three kinds of state. Here they lie:
#
# - **keyed state**: `total` has a number for each seller, and `join` an event for each order that waits for its other half;
# - **operator state**: `read` knows its offset in each partition. The key is the partition, none of ours;
# - **window state**: `window` has a count for each day that is not over, and its watermark.

# %%
window = next(each.value for each in remembered if each.step == "window")
print(f"watermark: {window.clock_state.watermark_base:%d %B %H:%M}")
for day, opened in window.windower_state.opened.items():
    print(f"{opened.open_time:%d %B}: {window.logic_states[day]} orders so far")

# %% [markdown]
# ## Who waits for ever?
#
# Some orders in the join's state will be paid in a minute. Others were cancelled meanwhile.

# %%
leak = predict(
    "What does the join do with an order that was cancelled?",
    "it has dropped it",
    "it still remembers it",
)

# %%
waiting = {int(each.key) for each in remembered if each.step == "join"}
cancelled = {e["order_id"] for e in first if e["type"] == "order-cancelled"}
print(f"{len(waiting)} orders wait for a payment; {len(waiting & cancelled)} are cancelled")

# %%
leak.reveal(
    "it still remembers it" if waiting & cancelled else "it has dropped it",
    "Nobody has told it that these orders are over. A join without a window, and without a rule when to give up, grows until the memory is full.",
)

# %% [markdown]
# ## Start it again
#
# Make a copy of the store, and delete the totals from the copy. Its *position* in the topic stays. Then let the second half of the month come, for two programs: one has the store as it was, one the copy.

# %%
forgetful = folders.enter_context(workspace(Path(shop_flow.__file__).read_text()))
shutil.copytree(place.folder / "store", forgetful.folder / "store")
state.forget(forgetful.folder / "store", "total")

# %%
restart = predict(
    "The copy has its position, and no totals. What will its totals be?",
    "right",
    "too small",
    "too large",
)

# %%
topics.produce(kafka, topic, second, key="order_id")
target_of_copy = topics.create(kafka)
for each, results in ((place, target), (forgetful, target_of_copy)):
    process = each.start(env | {"OUTPUT": results})
    state.wait_for(kafka, results, orders.placed(second))
    process.kill()

# %%
due = orders.sales(events)
kept, lost = state.last_totals(kafka, target), state.last_totals(kafka, target_of_copy)
state.draw(due, state_kept=kept, totals_lost=lost)

# %%
sums = sum(lost.values()), sum(due.values())
restart.reveal(
    "right" if sums[0] == sums[1] else "too small" if sums[0] < sums[1] else "too large",
    "It went on where the position said, and had forgotten all before it. Position and state are one thing: they must be stored together, or neither is worth anything.",
)

# %% [markdown]
# And the store that was whole? Its totals are right, in spite of the kill.

# %%
print(f"after the kill: {sum(kept.values()) / 100:,.2f} euros, due: {sums[1] / 100:,.2f} euros")
folders.close()

# %% [markdown]
# What it wrote twice is another matter: [lab 05](../labs/05_exactly_once/lab.ipynb) kills such a program at *every* point of its run.

# %% [markdown]
# ## What you can now answer
#
# - What does a stream program remember? A number per key, what waits for its partner, what windows are open, and how far it has read.
# - How does state survive a crash? It is stored together with the position that it belongs to.
# - What makes state grow without end? Keys that never come again: bound it by a window, or by a time to live.
#
# Questions 1, 6 and 7 on the [start page](00_start.ipynb) go further.
