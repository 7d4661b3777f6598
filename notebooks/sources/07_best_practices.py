# ---
# title: A service that you can stop, change and overload
# chapters: [7]
# questions: [5, 11, 17, 18, 27]
# minutes: 25
# ---

# %% [markdown]
# # Five habits of a good consumer
#
# The shop's billing service is to be stopped in mid-work, called twice, given events it has never seen, asked where an invoice comes from, and flooded. Each habit of the chapter saves it from one of these. See first what happens without.

# %%
import json
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Barrier

import psycopg
from kafka import KafkaProducer
from pydantic import BaseModel

from streamgym.checks import databases, topics
from streamgym.data import shop
from streamgym.lab.predict import predict
from streamgym.stack import shared
from streamgym.tours import deploys, pressure, readers, scripts, trails

kafka, postgres = shared.address("kafka"), shared.address("postgres")
workers = scripts.workers()

# %% [markdown]
# ## 1. It is stopped
#
# Each release stops the old process and starts a new one. Whoever stops it, be it Kubernetes or systemd, sends SIGTERM first. This version has never heard of that.

# %% worker="abrupt"
from streamgym.tours.billing import Billing

billing = Billing()
while True:
    for records in billing.consumer.poll(timeout_ms=500).values():
        for record in records:
            billing.book(record)
        billing.consumer.commit()

# %% [markdown]
# 80 orders wait. When it has booked some twenty, it gets SIGTERM, and 20 more orders come. Then the new process starts.

# %%
abrupt = deploys.deploy(kafka, postgres, workers["abrupt"])
deploys.draw(abrupt=abrupt)

# %% [markdown]
# It dies on the spot, as any program that does not handle SIGTERM. What it had booked since its last commit the new one books again. So a colleague handles the signal: leave the loop at once, commit, close.

# %% worker="hasty"
import signal

from streamgym.tours.billing import Billing

asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append("to stop"))
billing = Billing()
while not asked:
    for records in billing.consumer.poll(timeout_ms=500).values():
        for record in records:
            if not asked:
                billing.book(record)
        billing.consumer.commit()
billing.consumer.close()

# %%
hurry = predict(
    "Each order of a batch is booked until the signal comes. Then it commits. What becomes of the orders?",
    "each is booked once",
    "some are booked twice",
    "some are never booked",
)

# %%
hasty = deploys.deploy(kafka, postgres, workers["hasty"])
deploys.draw(abrupt=abrupt, hasty=hasty)

hurry.reveal(
    "some are never booked"
    if hasty.never
    else "some are booked twice"
    if hasty.twice
    else "each is booked once",
    f"commit() without arguments commits all that poll() has given, booked or not: {hasty.never} orders are gone. That is worse than what it was to mend. Finish the batch, or commit the offset of the last order that is booked, plus one.",
)

# %% [markdown]
# ## Graceful
#
# So finish what is in hand, commit, and close: `close()` tells the group, which hands over at once. A killed member is waited for until its session ends ([tour 15](15_scaling.ipynb)).

# %% worker="graceful"
import signal

from streamgym.tours.billing import Billing

asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append("to stop"))
billing = Billing()
while not asked:
    for records in billing.consumer.poll(timeout_ms=500).values():
        for record in records:
            billing.book(record)
        billing.consumer.commit()
billing.consumer.close()

# %%
graceful = deploys.deploy(kafka, postgres, workers["graceful"])
deploys.draw(abrupt=abrupt, hasty=hasty, graceful=graceful)

# %% [markdown]
# It must be done before SIGKILL comes; Kubernetes gives 30 seconds. That is what bounds the batch: `max_poll_records` times the work on one record. And it is what a **checkpoint** costs: a commit after each order leaves nothing to repeat, and asks the broker each time.

# %% [markdown]
# ## 2. It gets an order twice
#
# A power cut sends no signal, so an order may still come again: be **idempotent**. The guide looks first whether the order is there already. Below, two members have the same order, as after a rebalance. Both have looked before either writes.


# %%
def twice_at_once(charge, schema):
    url, together = databases.create(postgres, schema), Barrier(2)

    def member(_):
        with psycopg.connect(url, autocommit=True) as db:
            return charge(db, together)

    with ThreadPoolExecutor() as pool:
        said = list(pool.map(member, range(2)))
    databases.drop(postgres, url)
    return said


# %%
def as_the_guide(db, together):
    found = db.execute("SELECT FROM charges WHERE order_id = 7").fetchone()
    together.wait(10)  # both have looked
    if found is not None:
        return "already processed"
    db.execute("INSERT INTO charges VALUES (7)")
    return "charged"


race = predict(
    "Order 7 is not in the table. How often is the customer charged?",
    "once",
    "twice",
)

# %%
said = twice_at_once(as_the_guide, "CREATE TABLE charges (order_id int)")
print(said)

race.reveal(
    {1: "once", 2: "twice"}[said.count("charged")],
    "Between looking and writing there is a moment, and whoever comes in it has not been seen. Look and write must be one step, and only the database can make them one.",
)


# %%
def one_step(db, together):
    together.wait(10)
    done = db.execute("INSERT INTO charges VALUES (7) ON CONFLICT DO NOTHING")
    return "charged" if done.rowcount else "already processed"


twice_at_once(one_step, "CREATE TABLE charges (order_id int PRIMARY KEY)")

# %% [markdown]
# The primary key decides. Whatever else belongs to the order goes into the same transaction. [Lab 05](../labs/05_exactly_once/lab.ipynb) kills such a consumer at every point of its run; [lab 04](../labs/04_delivery_guarantees/lab.ipynb) has those that lose or repeat.

# %% [markdown]
# ## 3. It meets events that it does not know
#
# Another team changes the shop. The order is the same each time: 45 euros.

# %%
changes = {
    "as ever": {"order": 1, "amount": 4500},
    "a new field": {"order": 2, "amount": 4500, "currency": "EUR"},
    "a field renamed": {"order": 3, "amount_cents": 4500},
    "euros, no longer cents": {"order": 4, "amount": 45},
}
topic = topics.create(kafka)
topics.produce(kafka, topic, changes.values(), key="order")

# %% [markdown]
# Four readers want the amount in cents. *Strict* refuses what it does not know; *demanding* is already written for the new field; *tolerant* passes over what it does not know, and has a default for what may be missing; *careless* has no schema.


# %%
class Strict(BaseModel, extra="forbid"):
    order: int
    amount: int


class Demanding(BaseModel):
    order: int
    amount: int
    currency: str


class Tolerant(Demanding):
    currency: str = "EUR"


# %%
by_schema = {model.__name__.lower(): model for model in (Strict, Demanding, Tolerant)}
ways = {
    name: lambda event, model=model: model.model_validate(event).amount
    for name, model in by_schema.items()
}
ways["careless"] = lambda event: event.get("amount", 0)

unseen = predict(
    "Tolerant is what most books advise. Which change does it get wrong, without a word?",
    "a new field",
    "a field renamed",
    "euros, no longer cents",
    "none",
)

# %%
events = topics.read(kafka, topic)
found = readers.outcomes(ways, changes, events, due=4500)
readers.draw(found)

slipped = found.index[found["tolerant"] == readers.WRONG]
unseen.reveal(
    slipped[0] if len(slipped) else "none",
    "A schema checks the form, and 45 has the form of an amount. What means something else needs another name, such as amount_cents; then readers notice.",
)

# %% [markdown]
# Read the picture by columns. *Strict* stops at every harmless addition. *Demanding* cannot read the old events, and those are still in the log: a new field needs a default. *Careless* never fails, and books 0 euros; its lag is zero too ([tour 12](12_monitoring.ipynb)).
#
# So **validate before you process**, at the door, and not with a default for what you need. What is refused goes to a dead-letter topic, with headers that say why: [tour 13](13_error_handling.ipynb) does that, and has **retries with backoff** and the **circuit breaker** for what may get better. [Lab 09](../labs/09_etl/lab.ipynb) has the same door for files.

# %% [markdown]
# ## 4. Where does this mail come from?
#
# A click makes two orders, an order makes an invoice for each of its items, an invoice makes a mail: three topics, and each has numbers of its own. So the shop gives each click an id, and puts it into the **headers**. A header travels with the record, and no schema needs to know of it.

# %%
producer = KafkaProducer(bootstrap_servers=kafka)


def forward(source, target, split=lambda event: [event], careful=True):
    for record in topics.records(kafka, source):
        headers = [(name, text.encode()) for name, text in record.headers.items()]
        for part in split(record.value):
            value = json.dumps(part).encode()
            producer.send(target, value, headers=headers if careful else [])
    producer.flush()


# %%
def sell(careful):
    steps = {name: topics.create(kafka) for name in ("orders", "invoices", "mails")}
    orders, invoices, mails = steps.values()
    for number, order in enumerate(shop.orders(Random(7), 6)):
        headers = [(trails.HEADER, f"click-{number // 2 + 1}".encode())]  # two orders each
        producer.send(orders, json.dumps(order).encode(), headers=headers)
    producer.flush()
    forward(orders, invoices, lambda order: order["items"], careful)
    forward(invoices, mails)
    found = {name: topics.records(kafka, step) for name, step in steps.items()}
    topics.delete(kafka, list(steps.values()))
    return found


trails.draw(sell(careful=False))

# %% [markdown]
# The mail service passes on what it gets. The invoice service does not, and from there on nobody can tell. One link that forgets breaks the chain for all behind it. Now a careful one:

# %%
sold = sell(careful=True)
trails.draw(sold)

[
    (name, record.offset)
    for name, records in sold.items()
    for record in records
    if record.headers[trails.HEADER] == "click-2"
]

# %% [markdown]
# Write the id into each line of the log too, and one search shows a click's whole way. OpenTelemetry does the same, in a header named `traceparent`.

# %% [markdown]
# ## 5. It is flooded
#
# 1,000 orders come at once, and to write one takes half a millisecond. One thread polls and puts them into a queue; another writes.

# %%
flood = topics.create(kafka)
topics.produce(kafka, flood, shop.orders(Random(7), 1000), key="")
where = predict(
    "Polling is fast, writing is slow. Where do most of the orders wait?",
    "in the topic",
    "in the memory of the consumer",
)

# %%
eager = pressure.run(kafka, flood, lambda consumer, waiting: None)
pressure.draw(no_bound=eager)

most = eager["memory"].max() > 500
where.reveal(
    "in the memory of the consumer" if most else "in the topic",
    "Kafka keeps what nobody reads on disk, for days, and a crash does not harm it. A queue in memory has no bound but the memory. And the lag looks fine meanwhile, if offsets are committed when records are polled: then a crash loses the whole queue.",
)

# %% [markdown]
# **Back-pressure** lets the slow end tell the fast one. `pause()` stops the fetching, not the polling: without a poll for `max.poll.interval.ms` the consumer would be taken for dead.


# %%
def hold_back(consumer, waiting):
    if waiting.qsize() >= 200:
        consumer.pause(*consumer.assignment())
    elif waiting.qsize() <= 100 and consumer.paused():
        consumer.resume(*consumer.paused())


patient = pressure.run(kafka, flood, hold_back)
pressure.draw(no_bound=eager, with_a_bound=patient)
producer.close()
topics.delete(kafka, [topic, flood])

# %% [markdown]
# It took as long as before: the sink was never idle. Only the place of waiting is another.
#
# For batches the chapter has other habits: load only what is new, in parts, with checkpoints, in jobs that may run twice. [Tour 03](03_bulk_processing.ipynb) and [lab 09](../labs/09_etl/lab.ipynb) have those.
#
# ## What you can now answer
#
# - How do you stop a consumer? Handle SIGTERM: finish the batch, commit what is done and nothing else, close.
# - What makes a consumer idempotent? A key in the database, in one step with the effect; not a look before it.
# - How does a schema change? New fields with defaults; another meaning, another name. And check at the door.
# - How do you find where something went wrong? An id in the headers, which every link passes on.
# - What if the sink is slow? Bound what is in memory, pause, and let the topic be the buffer.
#
# Questions 5, 11, 17, 18 and 27 on the [start page](00_start.ipynb) go further.
