# ---
# title: Delivery guarantees
# chapters: [6, 7, 13, 17]
# questions: [2, 3, 4, 17, 20]
# minutes: 90
# ---

# %% [markdown]
# # Delivery guarantees: lost, doubled, swapped
#
# ekart's shop writes each order to Kafka; the warehouse reads it and packs. On a good day this works with any settings.
#
# This lab is about the other days. You break the connection, kill the worker and add a second one. Each time you look at what arrived, and then you mend the program.

# %%
import json
from random import Random

import matplotlib.pyplot as plt
import pandas as pd
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from streamgym.checks import databases, logs, topics
from streamgym.data import shop
from streamgym.faults.actions import Cut, Delay, Refuse, Rule
from streamgym.faults.sweep import Point
from streamgym.lab import Lab
from streamgym.lab.timeline import timeline

lab = Lab("04_delivery_guarantees", student="")  # write your name: it draws your own orders
kafka = lab.kafka()

# %% [markdown]
# ## 1. The shop sends
#
# The shop's producer is small. Its settings come from outside, so that you can try many. With `batch_size=1` every record travels in a **Produce** request of its own: slow, but you see each of them.

# %% worker="send_orders"
import json
import os

from kafka import KafkaProducer

producer = KafkaProducer(
    bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
    batch_size=1,
    **json.loads(os.environ["SETTINGS"]),
)
for number in range(16):
    value = json.dumps({"order": number}).encode()
    producer.send(os.environ["OUTPUT_TOPIC"], key=b"c1", value=value)
producer.flush()


# %%
def send_orders(settings, *rules):
    """Run the shop's producer; return its trace and the orders in the topic."""
    topic = topics.create(kafka)
    env = {"KAFKA_BOOTSTRAP_SERVERS": kafka, "OUTPUT_TOPIC": topic}
    trial = lab.run("send_orders", env | {"SETTINGS": json.dumps(settings)}, rules=rules)
    return trial.trace, [record["order"] for record in topics.read(kafka, topic)]


send_orders({"acks": 0})[1]

# %% [markdown]
# Sixteen orders, in order. `acks=0` means: do not wait for an answer. It is fast, and all went well.
#
# Now the network hiccups. At the fourth Produce request the connection breaks, and the next two attempts to connect are refused. Guess before you run it: which orders arrive?

# %%
trace, arrived = send_orders({"acks": 0}, Rule("Produce", Refuse(2), 4))
timeline(trace, "acks=0, the connection breaks at the 4th request")
print("arrived:", arrived)

# %% [markdown]
# Orders are gone, and the program ended without an error. With `acks=0` a record counts as sent once its bytes have left. Nobody is there to notice.
#
# So wait for an answer: `acks=1` asks the partition's leader, `acks="all"` asks all in-sync replicas.

# %% [markdown]
# ## 2. A lost acknowledgement
#
# Answers get lost too. Below the network is slow at the fourth request, and more requests queue up behind it. The broker stores the fifth, but the connection breaks before its answer comes back. To the producer it looks as if nothing had arrived. What should it do?


# %%
def lost_answer():
    return Rule("Produce", Delay(0.5), 4), Rule("Produce", Cut(), 5)


trace, arrived = send_orders({"enable_idempotence": False}, *lost_answer())
timeline(trace, "the answer to the 5th request gets lost")
print("arrived:", arrived)

# %% [markdown]
# Look at the orange arrow: it arrived, yet its answer did not. The producer sends again, as it must, and one order is there **twice**.
#
# And look at the order. Several requests were in flight at once; each was sent again for itself, and they overtook each other. Nothing was lost, but it was doubled *and* swapped.

# %% [markdown]
# Now the same accident with other settings. Before you run it, write down what you expect of each line. One of them is a trap.

# %%
for settings in (
    {"enable_idempotence": False, "max_in_flight_requests_per_connection": 1},
    {"retries": 0},
    {},
    {"max_in_flight_requests_per_connection": 6},
):
    _, arrived = send_orders(settings, *lost_answer())
    print(settings or "the defaults", arrived, sep="\n  ")

# %% [markdown]
# - One request in flight: order kept, still a double.
# - `retries=0`: what failed is given up.
# - The defaults: correct. An **idempotent** producer numbers its records, so the broker knows a repetition and keeps the order.
# - Six in flight: idempotence allows five. It was switched off *silently*, and all is as before.

# %% [markdown]
# Only when you write `enable_idempotence=True` yourself does a setting that does not fit become an error. That is a good reason to write it.

# %%
try:
    KafkaProducer(bootstrap_servers=kafka, enable_idempotence=True, acks=1)
except Exception as error:
    print(error)

# %% [markdown]
# What does safety cost? Measure the time per record, without any accident. The last bar waits for each answer before it sends the next record, as `send(...).get()` does.


# %%
def microseconds(wait=False, records=600, **settings):
    """Return the time that a record takes."""
    topic, value = topics.create(kafka), b"x" * 200
    producer = KafkaProducer(bootstrap_servers=kafka, **settings)
    producer.send(topic, value).get()
    began = pd.Timestamp.now()
    for _ in range(records):
        sent = producer.send(topic, value)
        if wait:
            sent.get()
    producer.close()
    return (pd.Timestamp.now() - began).total_seconds() / records * 1e6


# %%
costs = {name: microseconds(acks=acks) for name, acks in (("acks=0", 0), ("acks=1", 1))}
costs["acks=all, idempotent"] = microseconds()
costs["waits for each answer"] = microseconds(wait=True, records=200)
pd.Series(costs).plot.barh(figsize=(8, 2), xlabel="microseconds a record", color="#3b7dd8")
plt.show()

# %% [markdown]
# Waiting for each single answer is dear. Waiting for all of them at the end is not. Our broker has one replica, so `acks="all"` costs no more than `acks=1` here; with three it waits for the slowest that is in sync.

# %% [markdown]
# **Exercise.** Send the `orders` to `OUTPUT_TOPIC`, in this order, as JSON, keyed by customer. Nothing may be lost, doubled or swapped when an answer is lost, a connection is refused, or the broker is slow; and wait for all in-sync replicas.

# %% worker="durable_producer"
import json
import os

from kafka import KafkaProducer

orders = json.loads(os.environ["ORDERS"])
topic = os.environ["OUTPUT_TOPIC"]
COMMON = {"bootstrap_servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"], "batch_size": 1}

# BEGIN SOLUTION
producer = KafkaProducer(**COMMON, acks="all", enable_idempotence=True)
for order in orders:
    producer.send(topic, key=order["customer"].encode(), value=json.dumps(order).encode())
producer.flush()
# STARTER raise NotImplementedError("make a KafkaProducer(**COMMON, ...) and send the orders")
# END SOLUTION

# %%
lab.check("durable_producer")

# %% [markdown]
# ## 3. Why the key?
#
# Kafka keeps order within a **partition**, never across a topic. The key chooses the partition. Send 40 orders to three partitions, with the customer as key and without a key, and count.

# %%
orders = shop.orders(Random(4), 40, customers=6)
producer = KafkaProducer(bootstrap_servers=kafka)
for title, keyed in {"keyed by customer": True, "without a key": False}.items():
    topic = topics.create(kafka, partitions=3)
    for order in orders:
        key = order["customer"].encode() if keyed else None
        producer.send(topic, key=key, value=json.dumps(order).encode())
    producer.flush()
    got = pd.DataFrame(
        [(r.value["customer"], r.partition) for r in topics.records(kafka, topic)],
        columns=["customer", "partition"],
    )
    print(title, pd.crosstab(got["customer"], got["partition"]), sep="\n", end="\n\n")

# %% [markdown]
# With the key all orders of a customer are in one partition, one reader sees them, and in order. Without it they are spread, and three readers may pack a customer's cancellation before the order.
#
# The price: a big customer makes a big partition, and adding partitions later moves keys.

# %% [markdown]
# ## 4. The warehouse reads
#
# The other end. A worker polls up to 20 orders at a time and sends each on to the packing stations. `STEPS` says what it does with a batch, in this order. Without a `commit` among them it leaves **auto-commit** on, as the default is.

# %% worker="warehouse"
import os

from kafka import KafkaConsumer, KafkaProducer

from streamgym.workers import at_end

steps = os.environ["STEPS"].split()
servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
producer = KafkaProducer(bootstrap_servers=servers, linger_ms=1000)
consumer = KafkaConsumer(
    os.environ["INPUT_TOPIC"],
    bootstrap_servers=servers,
    group_id=os.environ["GROUP_ID"],
    auto_offset_reset="earliest",
    enable_auto_commit="commit" not in steps,
    max_poll_records=20,
)
while not at_end(consumer):
    batch = [record for records in consumer.poll(1000).values() for record in records]
    for step in steps if batch else []:
        if step == "send":
            for record in batch:
                producer.send(os.environ["OUTPUT_TOPIC"], key=record.key, value=record.value)
        elif step == "flush":
            producer.flush()
        elif step == "commit":
            consumer.commit()
producer.close()

# %%
orders = shop.orders(Random(7), 60, customers=20)
source = topics.create(kafka, partitions=2)
topics.produce(kafka, source, orders, key="customer")


def run_warehouse(steps, crash=None):
    """Run the warehouse's worker; print what is lost and doubled; return the trace."""
    target = topics.create(kafka, partitions=2)
    env = {"KAFKA_BOOTSTRAP_SERVERS": kafka, "INPUT_TOPIC": source, "OUTPUT_TOPIC": target}
    trial = lab.run("warehouse", env | {"STEPS": steps, "GROUP_ID": f"{target}-group"}, crash)
    got = topics.read(kafka, target)
    print(f"{len(logs.lost(orders, got, 'order'))} of {len(orders)} orders lost,", end=" ")
    print(f"{len(logs.duplicated(got, 'order'))} doubled")
    return trial.trace


# %% [markdown]
# First an ordinary day, with auto-commit. Then the same again, but the worker is killed when its second batch has arrived, and started again. How many orders will be packed twice?

# %%
run_warehouse("send flush")
trace = run_warehouse("send flush", crash=Point("after", "Produce", 2))
timeline(trace, "auto-commit, killed after the 2nd Produce")

# %% [markdown]
# Everything before the crash came again, not just the batch in hand. In the picture there is no **OffsetCommit** at all: auto-commit acts every five seconds, in `poll()`, and the worker did not live that long. After an hour it is still up to five seconds of orders.

# %% [markdown]
# A colleague has an idea: commit at once, then nothing can come twice. Kill the worker after its second commit.

# %%
trace = run_warehouse("commit send flush", crash=Point("after", "OffsetCommit", 2))
timeline(trace, "commit first, killed after the 2nd OffsetCommit")

# %% [markdown]
# No doubles, but a batch is **lost**: it was marked as done before it was. A committed offset is a promise, "everything before it is handled". Commit before the work and you have *at most once*; after the work, *at least once*. There is no third place to put it.

# %% [markdown]
# **Exercise: at least once.** Send each order on to `OUTPUT_TOPIC`, with its key and value. Wherever the worker is killed, no order may be lost, and at most one batch may be handled again. Mind that `send()` only fills a buffer: `linger_ms` keeps it there.

# %% worker="at_least_once"
import os

from kafka import KafkaConsumer, KafkaProducer

from streamgym.workers import at_end

target = os.environ["OUTPUT_TOPIC"]
servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
producer = KafkaProducer(bootstrap_servers=servers, linger_ms=1000)
consumer = KafkaConsumer(
    os.environ["INPUT_TOPIC"],
    bootstrap_servers=servers,
    group_id=os.environ["GROUP_ID"],
    auto_offset_reset="earliest",
    max_poll_records=20,
    # BEGIN SOLUTION
    enable_auto_commit=False,
    # STARTER # more settings?
    # END SOLUTION
)
while not at_end(consumer):
    batch = [record for records in consumer.poll(1000).values() for record in records]
    # BEGIN SOLUTION
    for record in batch:
        producer.send(target, key=record.key, value=record.value)
    producer.flush()
    consumer.commit()
    # STARTER raise NotImplementedError("send the batch on, and commit")
    # END SOLUTION
producer.close()

# %%
lab.check("at_least_once")

# %% [markdown]
# The check ran your worker once undisturbed, noted every request that changes something, and then killed and restarted it at each kind of them. Surviving all is what the words *at least once* promise.

# %% [markdown]
# **Exercise: at most once.** Each order also triggers a text message: two of them annoy the customer and cost money, while a missing one is no harm. Here nothing may be doubled; a crash may cost one batch, and without a crash nothing may be missing.

# %% worker="at_most_once"
import os

from kafka import KafkaConsumer, KafkaProducer

from streamgym.workers import at_end

target = os.environ["OUTPUT_TOPIC"]
servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
producer = KafkaProducer(bootstrap_servers=servers, linger_ms=1000)
consumer = KafkaConsumer(
    os.environ["INPUT_TOPIC"],
    bootstrap_servers=servers,
    group_id=os.environ["GROUP_ID"],
    auto_offset_reset="earliest",
    max_poll_records=20,
    # BEGIN SOLUTION
    enable_auto_commit=False,
    # STARTER # more settings?
    # END SOLUTION
)
while not at_end(consumer):
    batch = [record for records in consumer.poll(1000).values() for record in records]
    # BEGIN SOLUTION
    consumer.commit()
    for record in batch:
        producer.send(target, key=record.key, value=record.value)
    producer.flush()
    # STARTER raise NotImplementedError("commit, and send the batch on")
    # END SOLUTION
producer.close()

# %%
lab.check("at_most_once")

# %% [markdown]
# **Exercise: predict.** Six workers, each killed after one step and started again. What happens to the batch in hand: `"lost"`, `"duplicated"` or `"neither"`? Nothing leaves the buffer without a flush. You may try them with `run_warehouse`.

# %%
task = lab.task("predict")
for letter, situation in task.items():
    print(letter, situation)


# %%
# BEGIN SOLUTION
def outcome(situation: str) -> str:
    loop, last = situation.removesuffix("”").split(" · (again) — killed after “")
    steps = [step.split(",")[0] for step in loop.split(" · ")]
    done = steps[: steps.index(last) + 1]
    if ("flush" in done) == ("commit" in done):
        return "neither"
    return "lost" if "commit" in done else "duplicated"


predict = {letter: outcome(situation) for letter, situation in task.items()}
# STARTER predict = ...  # {"A": "lost", "B": ...}
# END SOLUTION

# %%
lab.check("predict")

# %% [markdown]
# ## 5. Threads that finish in any order
#
# Packing is slow, so the warehouse hands each record to one of four threads. They finish in any order. When twelve records are done, it commits: the highest offset that is done, plus one. Then it dies.

# %%
from concurrent.futures import ThreadPoolExecutor, as_completed
from time import sleep

from kafka import OffsetAndMetadata


def pack(record):
    sleep(0.3 if record.offset == 3 else 0.01)  # one parcel is big
    return record.offset


topic = topics.create(kafka)
topics.produce(kafka, topic, orders[:20], key="")
reading = {
    "bootstrap_servers": kafka,
    "group_id": f"{topic}-group",
    "auto_offset_reset": "earliest",
}
consumer = KafkaConsumer(topic, enable_auto_commit=False, **reading)
batch = []
while not batch:
    batch = [record for records in consumer.poll(1000).values() for record in records]
with ThreadPoolExecutor(4) as pool:
    waiting = as_completed([pool.submit(pack, record) for record in batch])
    done = [next(waiting).result() for _ in range(12)]
    consumer.commit({TopicPartition(topic, 0): OffsetAndMetadata(max(done) + 1, "", -1)})
consumer.close()
print("done:", done)

# %%
consumer = KafkaConsumer(topic, **reading)
again = []
while not again:
    again = [record for records in consumer.poll(1000).values() for record in records]
consumer.close()
print("after the restart it begins at", again[0].offset)
print("never packed:", sorted(set(range(again[0].offset)) - set(done)))

# %% [markdown]
# A commit is one number per partition, not a list: it covers everything below it, done or not.
#
# **Exercise.** `handled` are `[partition, offset]` pairs in the order in which threads finished; `committed` has each partition's committed offset. Return what may be committed now, and only for partitions where that is news.


# %%
def next_offsets(handled: list[list], committed: dict[str, int]) -> dict[str, int]:
    # BEGIN SOLUTION
    result = {}
    for partition, start in committed.items():
        done = {offset for name, offset in handled if name == partition}
        after = start
        while after in done:
            after += 1
        if after > start:
            result[partition] = after
    return result
    # END SOLUTION


# %%
lab.check("next_offsets")

# %% [markdown]
# ## 6. A second worker joins
#
# Before a sale you start a second worker in the same group. Kafka **rebalances**: some partitions move. The first one is in mid-batch just then. A listener is told which partitions are revoked, and it may still commit.

# %%
from kafka import AsyncConsumerRebalanceListener


class Member(AsyncConsumerRebalanceListener):
    """A worker that notes what it handles, and commits at a rebalance as it is told."""

    def __init__(self, topic, commits):
        self.commits, self.handled, self.log = commits, {}, []
        self.consumer = KafkaConsumer(
            **reading | {"group_id": f"{topic}-group"},
            enable_auto_commit=False,
            heartbeat_interval_ms=100,
        )
        self.consumer.subscribe([topic], listener=self)

    async def on_partitions_assigned(self, assigned): ...

    async def on_partitions_revoked(self, revoked):
        if self.commits == "position":
            await self.consumer.commit_async()
        elif self.commits == "handled":
            await self.consumer.commit_async(self.handled)

    def poll(self):
        return [record for records in self.consumer.poll(2000).values() for record in records]

    def handle(self, records):
        for record in records:
            self.log.append((record.partition, record.offset))
            at = TopicPartition(record.topic, record.partition)
            self.handled[at] = OffsetAndMetadata(record.offset + 1, "", -1)

    def leave(self):
        self.commits = "nothing"
        self.consumer.close()


# %% [markdown]
# The first member has polled all 60 orders and handled ten of each partition when the second joins. It keeps polling with its partitions paused, as one must while work goes on: whoever does not poll for `max.poll.interval.ms` is put out of the group.


# %%
def rebalance(commits):
    topic = topics.create(kafka, partitions=2)
    topics.produce(kafka, topic, orders, key="customer")
    one, two = Member(topic, commits), Member(topic, commits)
    polled = []
    while len(polled) < len(orders):
        polled += one.poll()
    one.handle([record for record in polled if record.offset < 10])
    one.consumer.pause(*one.consumer.assignment())
    with ThreadPoolExecutor(1) as pool:
        joins = pool.submit(two.poll)
        while not joins.done():
            one.poll()
    two.handle(joins.result())
    kept = {at.partition for at in one.consumer.assignment()}
    one.handle([r for r in polled if r.offset >= 10 and r.partition in kept])
    one.leave(), two.leave()
    return [one.log, two.log]


# %%
placed = {(r.partition, r.offset) for r in topics.records(kafka, source)}
for commits in ("nothing", "position", "handled"):
    first, second = rebalance(commits)
    print(f"the listener commits {commits:8}:", end=" ")
    print(len(set(first) & set(second)), "handled twice,", end=" ")
    print(len(placed - set(first) - set(second)), "never")

# %% [markdown]
# Without a commit the new owner begins where the last commit was, and does again what the first had done. With a plain commit it is worse: that commits the *position*, behind all that was polled, handled or not. Only the offsets of what is really handled are right. A partition that stays with its member goes on undisturbed.

# %% [markdown]
# **Exercise.** For each partition you get `committed`, `handled` and `polled` (each is the *next* offset) at the moment of revocation, and whether it `moves`. `listener` is `"nothing"`, `"position"` or `"handled"`. Return for each partition `[records handled again, records never handled]`.


# %%
def after_rebalance(partitions: dict[str, dict], listener: str) -> dict[str, list[int]]:
    # BEGIN SOLUTION
    begins = {"nothing": "committed", "position": "polled", "handled": "handled"}[listener]
    result = {}
    for name, partition in partitions.items():
        ahead = partition[begins] - partition["handled"] if partition["moves"] else 0
        result[name] = [max(0, -ahead), max(0, ahead)]
    return result
    # END SOLUTION


# %%
lab.check("after_rebalance")

# %% [markdown]
# ## 7. Doubles remain, so recognise them
#
# At least once it is, then, and doubles will come: from your own restarts, and from the shop, whose website sends an order again when a customer clicks twice. No setting of Kafka's knows about that click.
#
# This worker remembers what it has packed. Kill it.

# %% worker="forgetful_packer"
import json
import os

import psycopg
from kafka import KafkaConsumer

from streamgym.workers import at_end

connection = psycopg.connect(os.environ["DATABASE_URL"])
consumer = KafkaConsumer(
    os.environ["INPUT_TOPIC"],
    bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
    group_id=os.environ["GROUP_ID"],
    auto_offset_reset="earliest",
    enable_auto_commit=False,
    max_poll_records=20,
)
seen = set()
while not at_end(consumer):
    for records in consumer.poll(1000).values():
        for order in (json.loads(record.value) for record in records):
            if order["order"] not in seen:
                seen.add(order["order"])
                connection.execute(
                    "INSERT INTO parcels (order_id, customer) VALUES (%s, %s)",
                    (order["order"], order["customer"]),
                )
        connection.commit()
        consumer.commit()

# %%
SCHEMA = """CREATE TABLE seen (id text PRIMARY KEY);
CREATE TABLE parcels (number serial, order_id bigint NOT NULL, customer text NOT NULL)"""
clicks = topics.create(kafka)
topics.produce(kafka, clicks, [*orders[:30], *orders[:10], *orders[30:]], key="customer")


def run_packer(name, crash=None):
    database = databases.create(lab.postgres(), SCHEMA)
    env = {"KAFKA_BOOTSTRAP_SERVERS": kafka, "INPUT_TOPIC": clicks, "DATABASE_URL": database}
    trial = lab.run(name, env | {"GROUP_ID": database[-12:]}, crash)
    parcels = databases.rows(database, "SELECT order_id FROM parcels")
    print(len(parcels), "parcels; twice:", logs.duplicated(parcels, "order_id"))
    return trial.trace


# %%
run_packer("forgetful_packer")
trace = run_packer("forgetful_packer", crash=Point("after", "COMMIT", 2))
timeline(trace, "memory in a set, killed after the 2nd COMMIT")

# %% [markdown]
# Without a crash the set caught every double click. With one it was empty again. The memory must survive, and it must never disagree with the effect: so both go into the database, in **one transaction**.

# %% [markdown]
# **Exercise.** For each order one row in `parcels`, whatever the shop repeats and wherever the worker is killed. Remember in the table `seen`. A record has `order`, `customer`, `amount`, `items`, and `event_id` and `sent_at`, which are new each time that the shop sends it.

# %% worker="deduplicate"
import json
import os

import psycopg
from kafka import KafkaConsumer

from streamgym.workers import at_end

connection = psycopg.connect(os.environ["DATABASE_URL"])  # a transaction begins by itself
consumer = KafkaConsumer(
    os.environ["INPUT_TOPIC"],
    bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
    group_id=os.environ["GROUP_ID"],
    auto_offset_reset="earliest",
    enable_auto_commit=False,
    max_poll_records=20,
)
while not at_end(consumer):
    for records in consumer.poll(1000).values():
        orders = [json.loads(record.value) for record in records]
        # BEGIN SOLUTION
        for order in orders:
            new = connection.execute(
                "INSERT INTO seen VALUES (%s) ON CONFLICT DO NOTHING", (str(order["order"]),)
            ).rowcount
            if new:
                connection.execute(
                    "INSERT INTO parcels (order_id, customer) VALUES (%s, %s)",
                    (order["order"], order["customer"]),
                )
        connection.commit()
        consumer.commit()
        # STARTER raise NotImplementedError("pack each order once, and commit")
        # END SOLUTION

# %%
lab.check("deduplicate")

# %% [markdown]
# At least once, plus an effect that recognises repetition, looks from outside like exactly once. It is the cheapest way there, and it works with every system that has a unique key. What Kafka's own transactions add is the subject of lab 05.

# %% [markdown]
# ## 8. The poison record
#
# One day an order comes without an amount. This worker adds a tax to each, and does everything else right. Run it, and then run it again, as an operator would.

# %% worker="taxing"
import json
import os

from kafka import KafkaConsumer, KafkaProducer

from streamgym.workers import at_end

servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
producer = KafkaProducer(bootstrap_servers=servers, linger_ms=1000)
consumer = KafkaConsumer(
    os.environ["INPUT_TOPIC"],
    bootstrap_servers=servers,
    group_id=os.environ["GROUP_ID"],
    auto_offset_reset="earliest",
    enable_auto_commit=False,
    max_poll_records=20,
)
while not at_end(consumer):
    for records in consumer.poll(1000).values():
        for record in records:
            order = json.loads(record.value)
            order["tax"] = order["amount"] // 5
            producer.send(os.environ["OUTPUT_TOPIC"], json.dumps(order).encode(), record.key)
        producer.flush()
        consumer.commit()

# %%
poisoned = topics.create(kafka)
bad = {key: value for key, value in orders[29].items() if key != "amount"}
topics.produce(kafka, poisoned, [*orders[:29], bad, *orders[30:]], key="customer")
target = topics.create(kafka)
group = f"{target}-group"
env = {"KAFKA_BOOTSTRAP_SERVERS": kafka, "INPUT_TOPIC": poisoned, "OUTPUT_TOPIC": target}
for attempt in (1, 2, 3):
    trial = lab.run("taxing", env | {"GROUP_ID": group})
    print(attempt, trial.run.errors.splitlines()[-1:], "committed:", topics.committed(kafka, group))
    topics.remove_members(kafka, [group])  # or wait 45 s, until the group misses its dead member
got = topics.read(kafka, target)
print(f"{len(logs.lost(orders, got, 'order'))} of {len(orders)} orders wait,", end=" ")
print(f"{len(logs.duplicated(got, 'order'))} came several times")

# %% [markdown]
# It dies at the same record each time. The orders before it in the batch come again at every attempt, and all those behind it wait: the **consumer lag** only grows. At least once, taken literally, is a livelock.
#
# The way out is a **dead-letter topic**: the bad record goes there as it is, with a note, and the others go on.

# %% [markdown]
# **Exercise.** Send good orders on to `OUTPUT_TOPIC`, key and value unchanged. A record is bad when it is not JSON, or its `amount` is missing, not a whole number, or not above 0. Bad ones go to `DEAD_LETTER_TOPIC`, key and value unchanged, with the headers `topic`, `partition`, `offset` and `error` (as text). At least once, for both.

# %% worker="poison"
import json
import os

from kafka import KafkaConsumer, KafkaProducer

from streamgym.workers import at_end

target, dead = os.environ["OUTPUT_TOPIC"], os.environ["DEAD_LETTER_TOPIC"]
servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
producer = KafkaProducer(bootstrap_servers=servers, linger_ms=1000)
consumer = KafkaConsumer(
    os.environ["INPUT_TOPIC"],
    bootstrap_servers=servers,
    group_id=os.environ["GROUP_ID"],
    auto_offset_reset="earliest",
    enable_auto_commit=False,
    max_poll_records=20,
)


# BEGIN SOLUTION
def check(value: bytes) -> None:
    amount = json.loads(value)["amount"]
    if type(amount) is not int or amount <= 0:
        raise ValueError(f"amount is {amount!r}")


def send_on(record) -> None:
    try:
        check(record.value)
    except Exception as error:
        found = {
            "topic": record.topic,
            "partition": str(record.partition),
            "offset": str(record.offset),
            "error": repr(error),
        }
        headers = [(name, text.encode()) for name, text in found.items()]
        producer.send(dead, key=record.key, value=record.value, headers=headers)
    else:
        producer.send(target, key=record.key, value=record.value)


# STARTER def send_on(record) -> None:
# STARTER     raise NotImplementedError("send a good record to `target`, a bad one to `dead`")
# END SOLUTION

while not at_end(consumer):
    batch = [record for records in consumer.poll(1000).values() for record in records]
    for record in batch:
        send_on(record)
    producer.flush()
    consumer.commit()
producer.close()

# %%
lab.check("poison")

# %% [markdown]
# ## What you can now answer
#
# - *How does Kafka keep messages in order?* Within a partition; the key chooses it; and retries keep it only with idempotence.
# - *At least once, at most once: what is the difference?* Where you commit: after the work or before it.
# - *What is exactly once, and how near does de-duplication come?* An effect with a memory, both in one transaction.
# - *Why does the lag grow although the worker runs?* Perhaps it does not: look for a poison record, and for a member that keeps leaving its group.

# %%
lab.progress()
