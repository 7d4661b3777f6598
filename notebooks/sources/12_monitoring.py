# ---
# title: Three numbers, and which of them lies
# chapters: [9, 12, 17]
# questions: [3, 11]
# minutes: 20
# ---

# %% [markdown]
# # Three numbers, and which of them lies
#
# Lag, throughput and quality: with these three you know whether a stream is well. You will watch them live while a burst comes, while a release breaks the data, and while the consumer is dead. Each time one number says that all is fine.

# %%
from contextlib import ExitStack

import httpx

from streamgym.checks import topics
from streamgym.lab.predict import predict
from streamgym.lab.scripts import workspace
from streamgym.stack import shared
from streamgym.tours import burst, monitoring, scripts
from streamgym.tours.waiting import wait_until

kafka = shared.address("kafka")  # starts a broker when none runs
workers = scripts.workers()

# %% [markdown]
# ## A consumer that counts
#
# Whoever wants to be watched must export numbers. This service counts what it did, good and bad apart, and answers at `/metrics` in the text format of Prometheus.

# %% worker="billing"
import json
import os
import time
from pathlib import Path

from prometheus_client import Counter, start_http_server

from streamgym.tours.serving import member

orders = Counter("orders", "orders that were handled", ["result"])
server, _ = start_http_server(0, addr="127.0.0.1")  # any free port
Path("port").write_text(str(server.server_port))


def handle(order):
    if "amount" not in order:
        orders.labels("invalid").inc()
        return
    time.sleep(0.0002)  # the work
    orders.labels("valid").inc()


consumer = member(os.environ["TOPIC"], os.environ["GROUP"])
while True:
    batch = consumer.poll(timeout_ms=60_000)
    for records in batch.values():
        for record in records:
            handle(json.loads(record.value))
    if batch:
        consumer.commit()

# %% [markdown]
# ## A dashboard
#
# Five times a second it asks the *broker* how far each partition and the group are. It scrapes the consumers for the rest. Leave it in view (right click, *Create New View for Cell Output*).

# %%
topic, group = topics.create(kafka, partitions=3), "billing-group"
group = f"{group}-{topic[-6:]}"
watch = monitoring.Watch(kafka, topic, group).start()
watch.widget

# %% [markdown]
# ## A burst
#
# 15,000 orders come at once, 5,000 in each of three partitions. Nobody reads them yet. The guide's monitor looks at each partition, and warns above 10,000.

# %%
alert = predict("15,000 orders wait. Does the guide's monitor warn?", "yes", "no")

# %%
burst.write(kafka, topic, ({"order": n, "amount": 450} for n in range(15_000)), partitions=3)
waiting = watch.wait(lambda now: now.written == 15_000, "15,000 records are written")
waiting.lag

# %%
alert.reveal(
    "yes" if max(waiting.lag) > monitoring.THRESHOLD else "no",
    "Each partition is below the bound, and the group is far above it. Watch the sum, which says how much work there is, and the worst partition, which says whether one is stuck.",
)

# %% [markdown]
# ## Start the consumer, then two more
#
# Look at the dashboard meanwhile.

# %%
running = ExitStack()
processes = []


def start():
    place = running.enter_context(workspace(workers["billing"]))
    processes.append(place.start({"BROKERS": kafka, "TOPIC": topic, "GROUP": group}))
    port = place.folder / "port"
    wait_until(lambda: port.exists() and bool(port.read_text()), "the consumer exports metrics")
    watch.targets.append(f"http://127.0.0.1:{port.read_text()}/metrics")


start()
watch.wait(lambda now: now.read > 0, "it has read something").lag

# %%
start()
start()
watch.caught_up(15_000)
monitoring.draw(watch.samples)

# %% [markdown]
# ## What is scraped
#
# This is all that Prometheus gets, every few seconds. Counters only grow; rates are made from them by whoever asks.

# %%
for line in httpx.get(watch.targets[0]).text.splitlines():
    if line.startswith(("# HELP orders", "# TYPE orders", "orders")):
        print(line)

# %% [markdown]
# ## A release
#
# The shop's new version writes `total` instead of `amount`. 3,000 such orders come. Nothing crashes.

# %%
tells = predict("Which number tells you that something is wrong?", "lag", "throughput", "quality")

# %%
before = watch.samples[-1]
burst.write(kafka, topic, ({"order": n, "total": 450} for n in range(3_000)), partitions=3)
watch.caught_up(18_000)
after = watch.wait(lambda now: now.valid + now.invalid >= 18_000, "all are counted")
print(
    f"lag {sum(after.lag)}, read {after.read - before.read:,}, of these valid: {after.valid - before.valid}"
)

# %%
monitoring.draw(watch.samples)

# %%
tells.reveal(
    "quality" if after.valid == before.valid and not sum(after.lag) else "lag",
    "Lag is zero, and records are read as ever: to reject an order is even less work than to handle it. Only the share of good records has fallen. A consumer that fails quickly looks like one that is well.",
)

# %% [markdown]
# ## The consumer dies
#
# The guide's monitor has one more flaw: it asks a consumer about *its own* lag. All three are killed now, and 3,000 orders come.

# %%
dead = predict(
    "What do the consumers' own metrics say about it?",
    "a lag that grows",
    "a lag of zero, as before",
    "nothing",
)

# %%
for process in processes:
    process.kill()
burst.write(kafka, topic, ({"order": n, "amount": 450} for n in range(3_000)), partitions=3)
last = watch.wait(lambda now: now.written == 21_000, "21,000 records are written")
print(f"consumers that answer: {last.up}, lag as the broker knows it: {sum(last.lag):,}")

# %%
dead.reveal(
    "nothing" if last.up == 0 else "a lag that grows",
    "The dead do not answer, and an alert on a number that is not there never fires. Measure lag from outside, and have an alert on silence itself.",
)

# %%
watch.stop()
running.close()
topics.delete(kafka, [topic])

# %% [markdown]
# ## As alert rules
#
# What you have seen, in Prometheus' own language:
#
# | what is wrong | rule |
# | --- | --- |
# | too much waits | `sum by (group) (lag) > 10000` |
# | one partition is stuck | `lag > 1000 and rate(read[5m]) == 0` |
# | the data is bad | `rate(orders_total{result="invalid"}[5m]) / rate(orders_total[5m]) > 0.05` |
# | nobody answers | `up == 0 or absent(up)` |
#
# Each needs a `for:` of some minutes: a burst is no fault, and a lag that falls needs nobody to get up at night.

# %% [markdown]
# ## What you can now answer
#
# - What is lag, and who should measure it? What is written less what is committed, and somebody other than the consumer.
# - What can hide behind a lag of zero? A consumer that rejects or skips everything.
# - What do you alert on? Sum and worst partition, quality, and silence.
#
# Questions 3 and 11 on the [start page](00_start.ipynb) go further, and [lab 09](../labs/09_etl/lab.ipynb) makes a quality score that can be trusted.
