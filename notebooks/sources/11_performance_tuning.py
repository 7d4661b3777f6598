# ---
# title: Fast or soon, and what both cost
# chapters: [11, 16]
# questions: [9]
# minutes: 15
# ---

# %% [markdown]
# # Fast or soon
#
# Throughput is how many records pass in a second, latency how long one of them takes. Most settings of Kafka trade the one for the other. You will turn them on a live broker, first where records trickle, then in a flood; one of the guide's settings will surprise you.

# %%
from statistics import median

import pandas as pd
from kafka import KafkaAdminClient

from streamgym.checks import topics
from streamgym.lab.predict import predict
from streamgym.stack import shared
from streamgym.tours import orders, tuning

kafka = shared.address("kafka")  # starts a broker when none runs
events = orders.history(seed=7, scale=1)
few = events[:300]
print(f"{len(events):,} events of the shop, such as {events[0]}")

# %% [markdown]
# ## A trickle: `linger.ms`
#
# An event comes every two milliseconds. A producer may send it at once, or linger for others to send along.

# %%
linger = predict(
    "With linger.ms = 100 instead of 0, how many requests does the broker get?",
    "as many",
    "about half",
    "less than a tenth",
)

# %%
trickle = {
    f"linger {ms} ms": tuning.send(kafka, few, every=0.002, linger_ms=ms) for ms in (0, 10, 100)
}
tuning.table(trickle)

# %%
none, long = trickle["linger 0 ms"], trickle["linger 100 ms"]
share = long.requests / none.requests
linger.reveal(
    "less than a tenth" if share < 0.1 else "about half" if share < 0.75 else "as many",
    f"{none.requests} requests became {long.requests}, and the typical event waited {long.milliseconds:.0f} ms instead of {none.milliseconds:.1f}. Throughput gains nothing: no more than comes in can go out.",
)

# %% [markdown]
# So on a trickle lingering saves the *broker* work, and costs the *event* time. Whether that is a good bargain depends on who waits for it.

# %% [markdown]
# ## A flood
#
# Now all events are there at once. The guide's producer has `linger.ms` 10, batches of 16 KB, snappy, and one request at a time.

# %%
guide = {"linger_ms": 10, "batch_size": 16_384, "compression_type": "snappy", "max_in_flight": 1}
flood = {
    "one by one": tuning.send(kafka, events, batch_num_messages=1),
    "linger 0": tuning.send(kafka, events, linger_ms=0),
    "linger 100": tuning.send(kafka, events, linger_ms=100),
    "the guide's": tuning.send(kafka, events, **guide),
    "1 MB, five in flight": tuning.send(
        kafka, events, **guide | {"batch_size": 10**6, "max_in_flight": 5}
    ),
}
tuning.table(flood)

# %%
tuning.draw_speed(flood)

# %% [markdown]
# Up is fast, left is soon. In a flood the two go together: an event waits mostly for those before it, so what sends faster also sends sooner. Batches fill before the linger ends; what counts is how much fits into a request.
#
# `max.in.flight` 1 waits for each answer before it sends on. An idempotent producer keeps order with five. On this machine an answer takes less than a millisecond; between two cities it takes fifty, and then one at a time is the bottleneck.

# %% [markdown]
# ## What does `acks=all` wait for?
#
# For all replicas that are in sync. How many is that?

# %%
topic = topics.create(kafka)
admin = KafkaAdminClient(bootstrap_servers=kafka)
(described,) = admin.describe_topics([topic])
admin.close()
[(part["partition_index"], part["isr_nodes"]) for part in described["partitions"]]

# %% [markdown]
# One. The guide's topics have one replica too: there `acks=all` is `acks=1`, and a broker that is lost takes the events with it. For it to mean something, have three replicas and `min.insync.replicas=2`. A setting of the producer is worth what the topic's are.

# %% [markdown]
# ## The consumer: `fetch.min.bytes`
#
# The guide lets the broker answer a fetch when it has 1 MB, or after half a second. In a flood that is wise. But now events come fifty a second.

# %%
fetch = predict(
    "How old is an event, typically, when such a consumer gets it?",
    "some milliseconds",
    "some hundred milliseconds",
    "minutes: until 1 MB is there",
)

# %%
eager = tuning.received(kafka, few[:60], every=0.02, fetch_min_bytes=1)
patient = tuning.received(kafka, few[:60], every=0.02, fetch_min_bytes=2**20, fetch_wait_max_ms=500)
tuning.draw_ages({"1 byte": eager, "1 MB, or 500 ms": patient})

# %%
typical = median(patient)
fetch.reveal(
    "some milliseconds"
    if typical < 0.1
    else "some hundred milliseconds"
    if typical < 5
    else "minutes: until 1 MB is there",
    f"{1000 * typical:.0f} ms, instead of {1000 * median(eager):.0f}. A consumer tuned for a flood makes a quiet topic slow, and no metric of the producer shows it. Such a setting belongs to a topic and its load, not into a template for all.",
)

# %% [markdown]
# ## Bytes
#
# Events are JSON, and much alike. A producer compresses whole batches; the broker stores them as they come.

# %%
alone = predict(
    "zstd, but each event in a batch of its own. What do they take in the log, compared with no compression in large batches?",
    "a fifth",
    "about half",
    "more",
)

# %%
codecs = {
    name: tuning.send(kafka, events, linger_ms=50, compression_type=name)
    for name in ("none", "snappy", "lz4", "gzip", "zstd")
}
single = tuning.send(kafka, events, batch_num_messages=1, compression_type="zstd")
tuning.draw_bytes(codecs | {"zstd, one by one": single})

# %%
ratio = single.stored / codecs["none"].stored
alone.reveal(
    "more" if ratio > 1 else "about half" if ratio > 0.35 else "a fifth",
    "One event alone has little in it that repeats, and each batch brings some sixty bytes of its own. Compression lives on batches: first let them get large.",
)

# %% [markdown]
# ## What retention costs
#
# Keep seven days, as the guide does, at 1,000 events a second and three replicas. From the bytes that were just measured:

# %%
kept = 1_000 * 7 * 24 * 3600 * 3
gigabytes = {name: kept * run.stored / run.records / 1e9 for name, run in codecs.items()}
pd.Series(gigabytes, name="GB").round().astype(int)

# %% [markdown]
# `retention.ms` bounds the age, `retention.bytes` the size of each partition. Both delete whole segments, never single records, so a little more is kept than you say.

# %% [markdown]
# ## What you can now answer
#
# - How do you make a producer faster? Larger batches, compressed, several in flight. And sooner? No lingering, where records trickle.
# - Why is a quiet topic slow? See what the consumer's fetch waits for.
# - What makes storage cheap? Compression of large batches, then retention.
#
# [Lab 10](../labs/10_bulk_loading/lab.ipynb) does the same for a database, [lab 13](../labs/13_skew/lab.ipynb) for Spark. Question 9 on the [start page](00_start.ipynb) goes further.
