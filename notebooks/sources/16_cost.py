# ---
# title: What it costs, in bytes and hours
# chapters: [16]
# questions: [9, 25]
# minutes: 20
# ---

# %% [markdown]
# # What it costs
#
# A bill names gigabytes and hours. Behind each stands a setting, or a habit. You will measure what the guide's advice saves, on a broker, in files and by the clock, and then put in your own prices.

# %%
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
from kafka import KafkaConsumer

from streamgym.checks import topics
from streamgym.lab.predict import predict
from streamgym.tours import bill, costs, loads, orders, scripts
from streamgym.workers import at_end

broker = costs.broker()  # of our own, as it tidies up at once
workers = scripts.workers()
events = orders.history(seed=7, scale=6)
print(f"{len(events):,} events of {events[-1]['order_id']:,} orders, such as {events[0]}")

# %% [markdown]
# ## A month in the log
#
# Old records go by **deletion** (too old, or too many bytes), or by **compaction**: of each key the newest record stays. The same month goes to four topics.

# %%
policies = {
    "keep all": costs.Policy("order_id", {}),
    "delete, 1 MB": costs.Policy("order_id", {"retention.bytes": 1_000_000}),
    "compact by order": costs.Policy("order_id", {"cleanup.policy": "compact"}),
    "compact by event": costs.Policy("event_id", {"cleanup.policy": "compact"}),
}

# %%
limit = predict(
    "retention.bytes is 1,000,000. How much is in that topic when all is tidied up?",
    "less than that",
    "just that",
    "more than that",
)

# %%
sizes = costs.kept(broker, events, policies)
costs.draw_kept(sizes)

# %%
left = sizes["delete, 1 MB"].iloc[-1]
limit.reveal(
    "more than that" if left > 1_000_000 else "less than that",
    f"It is {left:,} bytes. Whole segments go, and only when what stays is still enough. So retention is what you keep at least. By time it is alike: a segment goes when its newest record is too old, so the guide's seven days may be fourteen (segment.ms).",
)

# %% [markdown]
# ## Compaction or deletion?
#
# Deletion bounds the bytes, compaction the records *of a key*. So what counts is how many events a key has.

# %%
pd.DataFrame(
    {
        "MB": sizes.iloc[-1] / 1e6,
        "events a key": {
            name: len(events) / len({event[policy.key] for event in events})
            for name, policy in policies.items()
        },
    }
).round(2)

# %% [markdown]
# Keyed by order, the last of about three events stays, so it grows with every order. Keyed by event, nothing is ever superseded: the broker reads and writes it all again, and saves nothing. Compact what has *few keys and many versions*, such as the stock of a product; `compact,delete` does both.

# %% [markdown]
# ## Who reads it
#
# *Avoid unnecessary consumers*, says the guide. A team wants to know of cancelled orders, one event of twenty, and reads along.

# %%
sent = predict(
    "What share of the topic's bytes does the broker send them?",
    "a twentieth",
    "all",
)

# %%
topic = topics.create(broker.address)
costs.produce(broker.address, topic, events, "order_id")
consumer = KafkaConsumer(topic, bootstrap_servers=broker.address, auto_offset_reset="earliest")
got, began = [], time.perf_counter()
while not at_end(consumer):
    for records in consumer.poll(timeout_ms=500).values():
        got += [(len(record.value), json.loads(record.value)["type"]) for record in records]
seconds = time.perf_counter() - began
consumer.close()

# %%
received = sum(size for size, _ in got)
wanted = sum(size for size, kind in got if kind == "order-cancelled")
produced = sum(len(json.dumps(event)) for event in events)
sent.reveal(
    "all" if received == produced else "a twentieth",
    f"It got {received:,} bytes to use {wanted:,} of them. A broker does not look into records. Each group of consumers costs the whole stream; if many want the same few, one of them filters, and writes a small topic.",
)

# %% [markdown]
# ## Hot and cold
#
# The topic is for what is read *now*. History goes to files, and there it matters how. Here is the month as JSON and as Parquet, which keeps each *column* together.

# %%
folder = tempfile.TemporaryDirectory()
files = costs.archive(events, Path(folder.name))
stored = {name: path.stat().st_size for name, path in files.items()}
columns = predict(
    "What has each seller sold? The question needs two of twelve columns. What does it read of the compressed Parquet file?",
    "all of it",
    "about half",
    "less than a fifth",
)

# %%
read = {
    name: loads.files(path, columns=["seller_id", "amount_cents"]).bytes
    if path.suffix == ".parquet"
    else len(path.read_bytes())
    for name, path in files.items()
}
costs.draw_archive(stored, read)

# %%
share = read["Parquet, zstd"] / stored["Parquet, zstd"]
columns.reveal(
    "all of it" if share > 0.8 else "about half" if share > 0.2 else "less than a fifth",
    f"It reads {share:.0%} of it, and {read['JSON'] / read['Parquet, zstd']:.0f} times less than of the JSON. Warehouses that bill by bytes scanned bill just this.",
)

# %% [markdown]
# Compressed, even JSON gets small. But all of it must be read, and parsed, for any question. Add folders by day, as in [the tour of chapter 3](03_bulk_processing.ipynb), and a question about a day reads a thirtieth of that.

# %% [markdown]
# ## Too many partitions
#
# Partitions let more consumers work at once. So why not have plenty? Some of the month, compressed, over ever more of them:

# %%
many = predict(
    "The same events over 100 partitions instead of one. What does compression make of them?",
    "as few bytes as before",
    "more bytes than before",
)

# %%
few = events[:5000]
runs = {number: costs.spread(broker, few, number) for number in (1, 10, 100)}
costs.draw_spread(runs)

# %%
growth = runs[100].stored / runs[1].stored
many.reveal(
    "more bytes than before" if growth > 1.1 else "as few bytes as before",
    f"{growth:.1f} times as many: a batch holds records of one partition, so the batches get small, and little in them repeats. On the disk it is {runs[100].on_disk / runs[1].on_disk:.0f} times as much, for each partition brings files of its own.",
)

# %% [markdown]
# Each partition is five files, one of them always open, and a line in the metadata that every client loads. When a broker dies, each of its partitions needs a new leader. What counts is the sum over all topics of a cluster.
#
# Parquet has the same illness: a folder for each hour and seller makes small files, of which a reader opens each for little.

# %% [markdown]
# ## Always on, or now and then?
#
# A consumer that waits is a machine that is paid. A job is paid while it runs, and each run pays for its start. So measure both: what an event takes (above), and what a start takes, with a job that has nothing to do.

# %% worker="nothing_to_do"
import os

from kafka import KafkaConsumer

consumer = KafkaConsumer(bootstrap_servers=os.environ["BROKERS"])
consumer.topics()
consumer.close()

# %%
start = costs.timed(workers["nothing_to_do"], BROKERS=broker.address)
rate = len(events) / seconds
print(f"a start takes {start:.1f} s, then it handles {rate:,.0f} events a second")

# %%
a_day = 1_000 * 24 * 3600  # 1,000 events a second
hours = pd.DataFrame({"always on": {"this job": 24.0, "30 s to start": 24.0}}).T
for name, runs_a_day in {"minute": 1440, "5 minutes": 288, "hour": 24, "day": 1}.items():
    starts = {"this job": start, "30 s to start": 30}
    hours.loc[f"every {name}"] = {
        label: (runs_a_day * each + a_day / rate) / 3600 for label, each in starts.items()
    }
axes = hours.plot.barh(figsize=(9, 3), xlabel="machine hours a day", color=["#3b7dd8", "#e08a00"])
axes.invert_yaxis()

# %%
print(f"An always-on consumer is busy {1_000 / rate:.0%} of its time at 1,000 events a second.")

# %% [markdown]
# So a consumer that is mostly idle can share its machine with others, or become a job. A small job can run every minute; where a start is dear, as that of a cluster, it cannot. And the saving is real only if you *give the machine back* in between. An answer that is an hour old has a price, too.
#
# What a job reads counts as much as when: [chapter 3's tour](03_bulk_processing.ipynb) has full against incremental, [chapter 11's](11_performance_tuning.ipynb) the codecs.

# %% [markdown]
# ## Your own bill
#
# Volumes and ratios are as you have just measured them, prices are round numbers of nobody's. Put in yours.

# %%
log_size = sizes["keep all"].iloc[-1] / len(events)
mine = bill.Pipeline(
    events=1_000,
    size=round(log_size, -1),
    compression=round(log_size / (runs[1].stored / len(few)), 1),
    archive=round(stored["JSON"] / stored["Parquet, zstd"], 1),
    consumer_hours=24,
)
bill.calculator(mine)

# %% [markdown]
# No widgets? The same in a cell: name what you change. What is the largest part of yours, and which setting moves it?

# %%
job = float(hours.loc["every hour", "this job"])
bills = {
    "as it is": mine,
    "not compressed": replace(mine, compression=1),
    "30 days in the topic": replace(mine, days=30),
    "ten groups": replace(mine, groups=10),
    "a job every hour": replace(mine, consumer_hours=job),
}
bill.draw(bills)
pd.Series(mine.gigabytes(), name="GB").round()

# %% [markdown]
# The arithmetic is that of the interview's designs (`streamgym interview scenario shop`), and the guide's seven days are one number of twelve.

# %%
broker.stop()

# %% [markdown]
# ## What you can now answer
#
# - How do you bound a topic? By age or bytes, whole segments at a time; by key, if keys are few.
# - What is cheap to keep, and cheap to ask? Compressed columns, in folders of what is asked for.
# - Batch or always on? Starts times runs, against 24 hours; and what does a late answer cost?
# - Why not a thousand partitions? Small batches, many files, slow failover.
#
# Questions 9 and 25 on the [start page](00_start.ipynb) go further; [lab 10](../labs/10_bulk_loading/lab.ipynb) makes loads faster, [lab 13](../labs/13_skew/lab.ipynb) Spark's.
