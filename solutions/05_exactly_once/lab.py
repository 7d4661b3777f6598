# ---
# title: Exactly once
# chapters: [7, 14]
# questions: [4, 17]
# minutes: 90
# ---

# %% [markdown]
# # Exactly once: charge every order, and charge it once
#
# ekart takes orders. A worker reads each one and writes lines into the *ledger*, the topic that the bank is paid from. A line that is missing costs the shop money. A line that is there twice costs a customer money, and the shop a customer.
#
# Workers crash. By the end you will have one that may crash anywhere.

# %%
import random
import time

import matplotlib.pyplot as plt
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from streamgym.checks import logs, topics
from streamgym.data import shop
from streamgym.faults.sweep import Point
from streamgym.lab import Lab
from streamgym.lab.timeline import timeline

lab = Lab("05_exactly_once", student="")  # write your name: it draws your own data

# %%
kafka = lab.kafka()
orders = shop.orders(random.Random(7), 60)
source = topics.create(kafka, partitions=2)
topics.produce(kafka, source, orders, key="customer")
orders[0]

# %% [markdown]
# ## 1. Predict first
#
# Three workers read 60 orders in batches of 20. Each is killed once, in its second batch, and started again at once:
#
# - **produce first**: write the batch, flush, then commit its offsets;
# - **commit first**: commit the offsets, then write the batch and flush;
# - **transaction**: write and commit offsets in *one* Kafka transaction. Its topic is read with `read_committed`.
#
# Each batch is one `Produce`. A request that *arrived* was handled by the broker; a worker killed *after* that has not seen the answer.

# %%
task = lab.task("predict")
for letter, case in task["cases"].items():
    print(f"({letter}) {case['worker']:13}  killed {case['when']:6} its 2nd {case['kind']} arrived")

# %% [markdown]
# **Exercise.** What happens to the orders of the second batch: are they `"lost"`, `"duplicated"`, or `"neither"`? Answer before you run on. Guessing wrong here is worth more than reading on.

# %%
# BEGIN SOLUTION
SAFE = {
    "produce first": [("before", "Produce"), ("after", "OffsetCommit")],
    "commit first": [("before", "OffsetCommit"), ("after", "Produce")],
}


def what_happens(worker: str, when: str, kind: str) -> str:
    if worker == "transaction" or (when, kind) in SAFE[worker]:
        return "neither"
    return "duplicated" if worker == "produce first" else "lost"


predict = {letter: what_happens(**case) for letter, case in task["cases"].items()}
# STARTER predict = ...  # {"a": "neither", "b": ...}
# END SOLUTION

# %%
lab.check("predict")

# %% [markdown]
# ## 2. Now kill it
#
# Here are the first two, in one script. It is a program of its own: `lab.run` starts it, sends its requests through a proxy, and kills it at the one that you name. `at_end` tells it when all is read.

# %% worker="without_transaction"
import json
import os

from kafka import KafkaConsumer, KafkaProducer

from streamgym.workers import at_end

SERVERS = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
consumer = KafkaConsumer(
    os.environ["INPUT_TOPIC"],
    bootstrap_servers=SERVERS,
    group_id=os.environ["GROUP_ID"],
    enable_auto_commit=False,
    auto_offset_reset="earliest",
    max_poll_records=20,
)
producer = KafkaProducer(bootstrap_servers=SERVERS, linger_ms=500)


def write(batch: dict) -> None:
    for records in batch.values():
        for record in records:
            producer.send(os.environ["OUTPUT_TOPIC"], record.value, key=record.key)
    producer.flush()


while not at_end(consumer):
    batch = consumer.poll(timeout_ms=200)
    if batch and os.environ["WORKER"] == "produce first":
        write(batch)
        consumer.commit()
    elif batch:
        consumer.commit()
        write(batch)


# %%
def env(**more: str) -> dict[str, str]:
    """A fresh ledger, and all that a worker is told."""
    target = topics.create(kafka, partitions=2)
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "INPUT_TOPIC": source,
        "OUTPUT_TOPIC": target,
        "GROUP_ID": f"{target}-group",
        "TRANSACTIONAL_ID": f"{target}-payments",
        **more,
    }


here = env(WORKER="produce first")
trial = lab.run("without_transaction", here, crash=Point("before", "OffsetCommit", 2))
twice = logs.duplicated(topics.read(kafka, here["OUTPUT_TOPIC"]), "order")
timeline(trial.trace, f"produce first: {len(twice)} orders in the ledger twice")

# %% [markdown]
# Read the picture from the left. Each arrow is a request that changes something. The second batch was written, its offset was not committed, and the new worker began where the offset said.
#
# Now your own cases. Were you right?


# %%
def show(letter: str, script: str) -> None:
    case = task["cases"][letter]
    here = env(WORKER=case["worker"])
    lab.run(script, here, crash=Point(case["when"], case["kind"], 2))
    ledger = topics.read(kafka, here["OUTPUT_TOPIC"])
    lost = logs.lost(orders, ledger, "order")
    twice = logs.duplicated(ledger, "line" if script == "exactly_once" else "order")
    print(
        f"({letter}) you: {predict[letter]:10}  {len(lost)} orders lost, {len(twice)} records twice"
    )


for letter, case in task["cases"].items():
    if case["worker"] != "transaction":
        show(letter, "without_transaction")

# %% [markdown]
# Between two requests there is always a moment to die in. Whatever their order, one of the two is done and the other is not. So put both into *one*.

# %% [markdown]
# ## 3. One transaction for records and offsets
#
# A **transactional producer** has a `transactional_id` and four verbs. `init_transactions` once: it ends what an earlier producer with this id has left behind. Then for each batch `begin_transaction`, `send`..., `send_offsets_to_transaction`, `commit_transaction`.
#
# Offsets are records in a topic, too. That is the trick: the coordinator commits them with all the others.

# %% [markdown]
# Each order now becomes one line *per item*, so an order can also be **torn**: some of its lines are there and some are not.
#
# **Exercise.** Write the rest. For each batch, all lines and the offsets go into one transaction. `consumer.group_metadata()` tells the broker which member of the group you are. Use `TRANSACTIONAL_ID`, and `retry_backoff_ms=20` to be quick here.

# %% worker="exactly_once"
import json
import os

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata

from streamgym.workers import at_end

SERVERS = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
consumer = KafkaConsumer(
    os.environ["INPUT_TOPIC"],
    bootstrap_servers=SERVERS,
    group_id=os.environ["GROUP_ID"],
    enable_auto_commit=False,
    auto_offset_reset="earliest",
    max_poll_records=20,
)


def lines(order: dict) -> list[dict]:
    return [
        {
            "line": f"{order['order']}-{number}",
            "order": order["order"],
            "lines": len(order["items"]),
            "customer": order["customer"],
            "amount": item["quantity"] * item["price"],
        }
        for number, item in enumerate(order["items"], 1)
    ]


# BEGIN SOLUTION
producer = KafkaProducer(
    bootstrap_servers=SERVERS,
    transactional_id=os.environ["TRANSACTIONAL_ID"],
    retry_backoff_ms=20,
)
producer.init_transactions()


def handle(batch: dict) -> None:
    producer.begin_transaction()
    for records in batch.values():
        for record in records:
            for line in lines(json.loads(record.value)):
                value = json.dumps(line).encode()
                producer.send(os.environ["OUTPUT_TOPIC"], value, key=record.key)
    offsets = {
        at: OffsetAndMetadata(records[-1].offset + 1, "", -1) for at, records in batch.items()
    }
    producer.send_offsets_to_transaction(offsets, consumer.group_metadata())
    producer.commit_transaction()


while not at_end(consumer):
    if batch := consumer.poll(timeout_ms=200):
        handle(batch)
producer.close()
# STARTER raise NotImplementedError("make the producer; then poll, and handle each batch in a transaction, until at_end(consumer)")
# END SOLUTION

# %%
lab.check("exactly_once")

# %% [markdown]
# The check has killed your worker at *every* kind of request that it sends, once early and once late, started it again, and looked for lost, repeated and torn orders. Here are the last two of your predictions, and one crash as a picture. Try others: `"after"`, `"Produce"`, `"TxnOffsetCommit"`.

# %%
for letter, case in task["cases"].items():
    if case["worker"] == "transaction":
        show(letter, "exactly_once")

here = env()
trial = lab.run("exactly_once", here, crash=Point("before", "EndTxn", 2))
timeline(trial.trace, "transaction: killed before its commit arrived")

# %% [markdown]
# After the restart comes `InitProducerId`: that is `init_transactions`. It aborted the transaction that was left open. The batch was written twice, and yet it counts once. So where is the first copy?

# %%
ledger = here["OUTPUT_TOPIC"]
for level in ("read_uncommitted", "read_committed"):
    lines = [record.value for record in topics.records(kafka, ledger, level)]
    print(f"{level:17} {len(lines)} lines, {len(logs.duplicated(lines, 'line'))} of them twice")

# %% [markdown]
# It is still there! A log is only ever appended to. An abort writes a **marker** behind the records, and it is the *reader* who leaves them out, if he asks for it.
#
# Half of exactly-once is the reader's job.

# %% [markdown]
# ## 4. What a reader is given
#
# Watch a transaction from outside. A till writes one payment and hangs before its commit; another program, without transactions, writes one after it. Where does a reader's world end?

# %%
slow = topics.create(kafka)
till = KafkaProducer(bootstrap_servers=kafka, transactional_id=slow, transaction_timeout_ms=1000)
till.init_transactions()
till.begin_transaction()
till.send(slow, b'{"payment": "from the till that hangs"}')
till.flush()
topics.produce(kafka, slow, [{"payment": "from the web shop"}], key="")
hung = time.monotonic()


def end_for(level: str) -> int:
    with_level = KafkaConsumer(bootstrap_servers=kafka, isolation_level=level)
    (end,) = with_level.end_offsets([TopicPartition(slow, 0)]).values()
    with_level.close()
    return end


{level: end_for(level) for level in ("read_uncommitted", "read_committed")}

# %% [markdown]
# The reader of committed records sees *nothing*, not even the web shop's payment, which no transaction holds back. Readers get records in their order, so they wait at the first record that is undecided: the **last stable offset**.
#
# One till that hangs stops everybody. We shall see for how long.

# %% [markdown]
# **Exercise.** `log` is one partition: a list of `{"offset", "producer", "entry", "value"}`. `entry` is `"data"`, or a marker: `"commit"` or `"abort"`. Each ends its producer's current transaction. An empty `producer` writes without transactions. Return `{"last_stable_offset": ..., "values": [...]}`: what a reader of committed records has been given.


# %%
def visible(log: list[dict]) -> dict:
    # BEGIN SOLUTION
    pending: dict[str, list[dict]] = {}
    committed = []
    for entry in log:
        mine = pending.setdefault(entry["producer"], [])
        if entry["entry"] == "commit":
            committed += pending.pop(entry["producer"])
        elif entry["entry"] == "abort":
            pending.pop(entry["producer"])
        elif entry["producer"]:
            mine.append(entry)
        else:
            committed.append(entry)
    undecided = [entry["offset"] for entries in pending.values() for entry in entries]
    stable = min(undecided, default=log[-1]["offset"] + 1)
    ordered = sorted(committed, key=lambda entry: entry["offset"])
    values = [entry["value"] for entry in ordered if entry["offset"] < stable]
    return {"last_stable_offset": stable, "values": values}
    # END SOLUTION


# %%
lab.check("visible")

# %% [markdown]
# How long does the till that hangs stop its readers? Until its **transaction time-out**, here one second (the default is a minute). Then the coordinator aborts for it. It looks only every few seconds, so wait.

# %%
while end_for("read_committed") == 0 and time.monotonic() < hung + 40:
    time.sleep(0.2)
print(f"after {time.monotonic() - hung:.0f} s readers go on, up to {end_for('read_committed')}")
try:
    till.commit_transaction()
except KafkaError as error:
    print("and the till wakes up:", repr(error))
till.close()

# %% [markdown]
# Too short a time-out aborts a slow batch; too long a one lets a dead worker stop all readers. And note what the till was told at last: *fenced*. More of that soon.

# %% [markdown]
# **Exercise.** A topic of payments holds aborted transactions, and many an aborted payment was tried again. Write the accountant: for each payment that counts write `{"payment", "customer", "total"}`, where `total` is what its customer has paid so far, this payment included.

# %% worker="committed_only"
import json
import os

from kafka import KafkaConsumer, KafkaProducer

from streamgym.workers import at_end

SERVERS = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
producer = KafkaProducer(bootstrap_servers=SERVERS)


def write(row: dict) -> None:
    producer.send(os.environ["OUTPUT_TOPIC"], json.dumps(row).encode())


# BEGIN SOLUTION
consumer = KafkaConsumer(
    os.environ["INPUT_TOPIC"],
    bootstrap_servers=SERVERS,
    group_id=os.environ["GROUP_ID"],
    enable_auto_commit=False,
    auto_offset_reset="earliest",
    isolation_level="read_committed",
)
totals: dict[str, int] = {}
while not at_end(consumer):
    for records in consumer.poll(timeout_ms=200).values():
        for record in records:
            paid = json.loads(record.value)
            customer = paid["customer"]
            totals[customer] = totals.get(customer, 0) + paid["amount"]
            total = totals[customer]
            write({"payment": paid["payment"], "customer": customer, "total": total})
# STARTER raise NotImplementedError("read the payments, and write a running total for each")
# END SOLUTION
producer.close()

# %%
lab.check("committed_only")

# %% [markdown]
# A worker in the middle of a chain is a reader, too: if its input is written in transactions, it needs `read_committed` as well. `orders` is not, so ours did without.

# %% [markdown]
# ## 5. An order that cannot be processed
#
# Sooner or later an item's price says `"n/a"`. The error comes in the middle of a transaction: some lines of that order are sent already. What now? There are two ways to be wrong: commit the half, or die of it at every restart.
#
# `abort_transaction` takes *everything* back, so the batch's good orders too. The consumer has moved on; it will not hand you the batch again.

# %% [markdown]
# **Exercise.** When an order raises `TypeError`, abort. Then, in a fresh transaction, write the batch's good orders, send the broken order as it came to `DEAD_LETTER_TOPIC`, and the offsets. A batch may hold several. `lines` is a generator: it raises in the middle of an order.

# %% worker="abort_on_error"
import json
import os

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata

from streamgym.workers import at_end

SERVERS = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
LEDGER, DEAD_LETTERS = os.environ["OUTPUT_TOPIC"], os.environ["DEAD_LETTER_TOPIC"]
consumer = KafkaConsumer(
    os.environ["INPUT_TOPIC"],
    bootstrap_servers=SERVERS,
    group_id=os.environ["GROUP_ID"],
    enable_auto_commit=False,
    auto_offset_reset="earliest",
    max_poll_records=16,
)
producer = KafkaProducer(
    bootstrap_servers=SERVERS,
    transactional_id=os.environ["TRANSACTIONAL_ID"],
    retry_backoff_ms=20,
)
producer.init_transactions()


def lines(order: dict):
    for number, item in enumerate(order["items"], 1):
        cents = item["quantity"] * (item["price"] + 0)  # TypeError: the price is "n/a"
        yield {"line": f"{order['order']}-{number}", "order": order["order"], "amount": cents}


def commit(batch: dict) -> None:
    """Send the batch's offsets to the transaction, and commit it."""
    offsets = {
        at: OffsetAndMetadata(records[-1].offset + 1, "", -1) for at, records in batch.items()
    }
    producer.send_offsets_to_transaction(offsets, consumer.group_metadata())
    producer.commit_transaction()


# BEGIN SOLUTION
def book(record) -> None:
    for line in lines(json.loads(record.value)):
        producer.send(LEDGER, json.dumps(line).encode(), key=record.key)


def handle(batch: dict) -> None:
    records = [record for each in batch.values() for record in each]
    broken: list = []
    while True:
        producer.begin_transaction()
        try:
            for record in records:
                if record in broken:
                    producer.send(DEAD_LETTERS, record.value)
                else:
                    book(record)
        except TypeError:
            producer.abort_transaction()
            broken.append(record)
        else:
            return commit(batch)


while not at_end(consumer):
    if batch := consumer.poll(timeout_ms=200):
        handle(batch)
# STARTER raise NotImplementedError("poll, and handle each batch, until at_end(consumer)")
# END SOLUTION
producer.close()

# %%
lab.check("abort_on_error")

# %% [markdown]
# It would be tempting to check all orders before the first `send`. That is fine, and passes too. But errors also come from a database or a service in mid-batch, and then only an abort helps.

# %% [markdown]
# ## 6. Zombies
#
# A worker need not crash to be replaced. A long pause, and its group takes it for dead and starts another. Then it wakes, with a batch in hand, and does not know. It is a **zombie**. What stops it?

# %%
name = topics.create(kafka)
first = KafkaProducer(bootstrap_servers=kafka, transactional_id=name)
first.init_transactions()
first.begin_transaction()
first.send(name, b'{"order": 1, "by": "the first"}')
first.flush()

second = KafkaProducer(bootstrap_servers=kafka, transactional_id=name)
second.init_transactions()  # the replacement starts
try:
    first.commit_transaction()  # and the first wakes up
except KafkaError as error:
    print(repr(error))
topics.read(kafka, name)

# %% [markdown]
# Each `init_transactions` raises the **epoch** of its transactional id, and the broker refuses every request with an older one: it *fences* the zombie. This works only if both use the *same* id. It is the name of the job, not of the process.

# %% [markdown]
# What must a fenced worker do? Nothing. Its successor has done the work. If it makes a new producer and tries again, it writes the batch a second time, and fences its successor in turn.
#
# ekart's supervisor restarts every worker that ends, but for exit code 3: *I was replaced*.
#
# **Exercise.** Write your worker of part 3 again, so that it ends with `sys.exit(3)` when it finds itself fenced.

# %% worker="fenced"
import json
import os
import sys

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata
from kafka.errors import ProducerFencedError

from streamgym.workers import at_end

SERVERS = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
consumer = KafkaConsumer(
    os.environ["INPUT_TOPIC"],
    bootstrap_servers=SERVERS,
    group_id=os.environ["GROUP_ID"],
    enable_auto_commit=False,
    auto_offset_reset="earliest",
    max_poll_records=20,
)


def lines(order: dict) -> list[dict]:
    return [
        {
            "line": f"{order['order']}-{number}",
            "order": order["order"],
            "amount": item["quantity"] * item["price"],
        }
        for number, item in enumerate(order["items"], 1)
    ]


# BEGIN SOLUTION
producer = KafkaProducer(
    bootstrap_servers=SERVERS,
    transactional_id=os.environ["TRANSACTIONAL_ID"],
    retry_backoff_ms=20,
)
producer.init_transactions()


def handle(batch: dict) -> None:
    producer.begin_transaction()
    for records in batch.values():
        for record in records:
            for line in lines(json.loads(record.value)):
                value = json.dumps(line).encode()
                producer.send(os.environ["OUTPUT_TOPIC"], value, key=record.key)
    offsets = {
        at: OffsetAndMetadata(records[-1].offset + 1, "", -1) for at, records in batch.items()
    }
    producer.send_offsets_to_transaction(offsets, consumer.group_metadata())
    producer.commit_transaction()


try:
    while not at_end(consumer):
        if batch := consumer.poll(timeout_ms=200):
            handle(batch)
except ProducerFencedError:
    print("replaced by another worker", file=sys.stderr)
    sys.exit(3)
producer.close()
# STARTER raise NotImplementedError("your worker of part 3; when it is fenced it ends with sys.exit(3)")
# END SOLUTION

# %%
lab.check("fenced")

# %% [markdown]
# The check froze your worker in the middle of a transaction, let a second one do all the work, and woke the first.
#
# The producer's epoch is one fence. `consumer.group_metadata()` is the other: the group refuses offsets of a member that it has thrown out (KIP-447). With the bare group id instead, only the epoch protects you.

# %% [markdown]
# ## 7. What does it cost?
#
# A transaction costs some requests, however many records it holds. Guess the shape of the curve before you run this: 200-byte records, from one to a thousand in a transaction.

# %%
topic = topics.create(kafka)
producer = KafkaProducer(bootstrap_servers=kafka, transactional_id=topic, retry_backoff_ms=20)
producer.init_transactions()


def seconds_per_transaction(size: int, times: int) -> float:
    start = time.monotonic()
    for _ in range(times):
        producer.begin_transaction()
        for _ in range(size):
            producer.send(topic, b"x" * 200)
        producer.commit_transaction()
    return (time.monotonic() - start) / times


seconds_per_transaction(10, 5)  # warm up
sizes = [1, 3, 10, 30, 100, 300, 1000]
took = [seconds_per_transaction(size, times=10) for size in sizes]
producer.close()

plain = KafkaProducer(bootstrap_servers=kafka)
plain.send(topic, b"warm up").get()
start = time.monotonic()
for _ in range(5000):
    plain.send(topic, b"x" * 200)
plain.flush()
without = 5000 / (time.monotonic() - start)

# %%
_figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
left.loglog(sizes, [n / each for n, each in zip(sizes, took, strict=True)], "o-")
left.axhline(without, color="grey", linestyle=":", label="without transactions")
left.set(xlabel="records in a transaction", ylabel="records per second")
left.legend()
right.loglog(sizes, [each * 1000 for each in took], "o-", color="#d1433f")
right.set(xlabel="records in a transaction", ylabel="milliseconds until it is readable")
plt.show()

# %% [markdown]
# Read it as two costs: one per transaction, whatever is in it, and one per record. Small transactions pay the first over and over. Large ones make every reader wait, and repeat more after a crash. (On a busy machine the curves wobble.)
#
# **Exercise.** For the costs in `task`, choose the *smallest* number of records in a transaction that reaches `share` of the throughput without transactions.

# %%
task = lab.task("transaction_size")
print(task)

# %%
# BEGIN SOLUTION
share = task["share"]
transaction_size = 1
while transaction_size * task["per_record_ms"] < share * (
    task["per_transaction_ms"] + transaction_size * task["per_record_ms"]
):
    transaction_size += 1
# STARTER transaction_size = ...  # records
# END SOLUTION

# %%
lab.check("transaction_size")

# %% [markdown]
# ## 8. What exactly-once does not cover
#
# Now the worker must really charge: an HTTP call to the payment service. Put it into the transaction, and all is well?

# %% worker="naive_charge"
import json
import os
import urllib.request

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata

from streamgym.workers import at_end

SERVERS = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
consumer = KafkaConsumer(
    os.environ["INPUT_TOPIC"],
    bootstrap_servers=SERVERS,
    group_id=os.environ["GROUP_ID"],
    enable_auto_commit=False,
    auto_offset_reset="earliest",
    max_poll_records=8,
)
producer = KafkaProducer(
    bootstrap_servers=SERVERS,
    transactional_id=os.environ["TRANSACTIONAL_ID"],
    retry_backoff_ms=20,
)
producer.init_transactions()


def charge(order: dict) -> dict:
    body = json.dumps({"order": order["order"], "amount": order["amount"]}).encode()
    request = urllib.request.Request(os.environ["PAYMENTS_URL"], body, method="POST")
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def handle(batch: dict) -> None:
    producer.begin_transaction()
    for records in batch.values():
        for record in records:
            charged = json.dumps(charge(json.loads(record.value))).encode()
            producer.send(os.environ["OUTPUT_TOPIC"], charged, key=record.key)
    offsets = {
        at: OffsetAndMetadata(records[-1].offset + 1, "", -1) for at, records in batch.items()
    }
    producer.send_offsets_to_transaction(offsets, consumer.group_metadata())
    producer.commit_transaction()


while not at_end(consumer):
    if batch := consumer.poll(timeout_ms=200):
        handle(batch)
producer.close()

# %%
few = topics.create(kafka)
topics.produce(kafka, few, orders[:16], key="")
with lab.payments() as payments:
    here = env(INPUT_TOPIC=few, PAYMENTS_URL=payments.url)
    trial = lab.run("naive_charge", here, crash=Point("before", "EndTxn", 1))
charged = payments.charges
twice = logs.duplicated(charged, "order")
timeline(trial.trace, f"a charge within the transaction: {len(twice)} orders charged twice")

# %% [markdown]
# Kafka has taken back its records and its offsets. It cannot take back a charge. A transaction covers Kafka's topics, and nothing else: no HTTP call, no e-mail, no row in another database.
#
# What is left is to repeat the call *safely*. The service helps: it knows the header `Idempotency-Key`, and answers a key that it has seen with its first answer.

# %% [markdown]
# **Exercise.** Let the worker charge each order once, wherever it crashes. Everything else stays. Think about what makes a good key.

# %% worker="charge_once"
import json
import os
import urllib.request

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata

from streamgym.workers import at_end

SERVERS = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
consumer = KafkaConsumer(
    os.environ["INPUT_TOPIC"],
    bootstrap_servers=SERVERS,
    group_id=os.environ["GROUP_ID"],
    enable_auto_commit=False,
    auto_offset_reset="earliest",
    max_poll_records=8,
)
producer = KafkaProducer(
    bootstrap_servers=SERVERS,
    transactional_id=os.environ["TRANSACTIONAL_ID"],
    retry_backoff_ms=20,
)
producer.init_transactions()


def charge(order: dict) -> dict:
    """Charge an order, and return the service's answer."""
    # BEGIN SOLUTION
    body = json.dumps({"order": order["order"], "amount": order["amount"]}).encode()
    key = {"Idempotency-Key": f"order-{order['order']}"}
    request = urllib.request.Request(os.environ["PAYMENTS_URL"], body, key, method="POST")
    with urllib.request.urlopen(request) as response:
        return json.load(response)
    # END SOLUTION


def handle(batch: dict) -> None:
    producer.begin_transaction()
    for records in batch.values():
        for record in records:
            charged = json.dumps(charge(json.loads(record.value))).encode()
            producer.send(os.environ["OUTPUT_TOPIC"], charged, key=record.key)
    offsets = {
        at: OffsetAndMetadata(records[-1].offset + 1, "", -1) for at, records in batch.items()
    }
    producer.send_offsets_to_transaction(offsets, consumer.group_metadata())
    producer.commit_transaction()


while not at_end(consumer):
    if batch := consumer.poll(timeout_ms=200):
        handle(batch)
producer.close()

# %%
lab.check("charge_once")

# %% [markdown]
# ## 9. An engine's promise: Bytewax
#
# Engines that keep state must recover more than an offset. Bytewax writes **snapshots** of its state and of its input's position, together, into a recovery store, one per *epoch*. After a crash it goes on from the last one. What it had written since then, it writes again: *at least once*.
#
# So the effect must be idempotent. The bank, who reads the totals, drops every `id` that it has seen.

# %% [markdown]
# **Exercise.** For each order write `{"id", "customer", "order", "total"}`, where `total` is what the customer has ordered so far. An `id` stands for one order, and is the same when its result is written again. The totals must survive a crash, and only a little may be done again: keep the store in `STORE`, and use an `epoch_interval` of zero.

# %% worker="bytewax_once"
import json
import os
from datetime import timedelta
from pathlib import Path

from bytewax import operators as op
from bytewax.connectors.kafka import KafkaSinkMessage
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main

BROKERS = [os.environ["KAFKA_BOOTSTRAP_SERVERS"]]
STORE = Path("recovery")
flow = Dataflow("totals")
records = kop.input(
    "read", flow, brokers=BROKERS, topics=[os.environ["INPUT_TOPIC"]], tail=False, batch_size=5
)
orders = op.map("parse", records.oks, lambda record: json.loads(record.value))
by_customer = op.key_on("customer", orders, lambda order: order["customer"])


def message(item: tuple) -> KafkaSinkMessage:
    customer, row = item
    return KafkaSinkMessage(customer.encode(), json.dumps(row).encode())


# BEGIN SOLUTION
def add(total: int | None, order: dict) -> tuple:
    total = (total or 0) + order["amount"]
    row = {
        "id": f"order-{order['order']}",
        "customer": order["customer"],
        "order": order["order"],
        "total": total,
    }
    return total, row


totals = op.stateful_map("total", by_customer, add)
kop.output(
    "write", op.map("message", totals, message), brokers=BROKERS, topic=os.environ["OUTPUT_TOPIC"]
)
if not STORE.exists():
    STORE.mkdir()
    init_db_dir(STORE, 1)
run_main(flow, epoch_interval=timedelta(0), recovery_config=RecoveryConfig(STORE))
# STARTER raise NotImplementedError("make the totals, write their messages with kop.output, run_main with recovery")
# END SOLUTION

# %%
lab.check("bytewax_once")

# %% [markdown]
# Kafka Streams and Flink use Kafka's transactions for their output, Spark's file sink keeps a log of finished batches. Under every *exactly once* you find the same two ways: commit state, position and output *together*, or make the output idempotent.

# %% [markdown]
# ## 10. The small print of your client
#
# With `transaction.version` 2 (KIP-890, Kafka 4.0), the broker raises the epoch at the end of *every* transaction. A record that was delayed in the network, and comes when its transaction is over, is refused.
#
# kafka-python 3.0.12 speaks the protocol from before. Its epoch stays the same from transaction to transaction, so a very late record could slip into the producer's *next* one.

# %% [markdown]
# When could it? After a request has timed out: the client gave up, but the record may still be on its way. Sequence numbers catch most of these; do not rely on it.
#
# So after a time-out do not abort and go on. Close the producer, make a new one and call `init_transactions`: that raises the epoch, and fences what was late. Or take a client that speaks the new protocol, such as Kafka's own Java client from 4.0.

# %% [markdown]
# ## What you can now answer
#
# - *What is exactly-once in Kafka?* Not one delivery, but one *effect*: records and offsets commit together, and readers of committed records see only that.
# - *At least once or exactly once?* Two requests and a crash between them make duplicates or losses; one transaction makes neither, for about the price of a few requests a batch.
# - *Why the same transactional id at every start?* It ends what the dead have left, and fences those who only seemed dead.
# - *Is my e-mail sent exactly once, then?* No. Outside of Kafka: idempotency keys.

# %%
lab.progress()
