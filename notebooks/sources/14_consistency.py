# ---
# title: What a crash leaves behind
# chapters: [7, 14]
# questions: [4, 17]
# minutes: 20
# ---

# %% [markdown]
# # What a crash leaves behind
#
# A clerk reads orders and writes each into the ledger. You will kill it at every point of its run, look at what is left, and find the program that may die anywhere. Then you ask who sees what, and when.

# %%
from random import Random

import pandas as pd

from streamgym.checks import logs, topics
from streamgym.data import shop
from streamgym.lab.predict import predict
from streamgym.lab.timeline import timeline
from streamgym.stack import shared
from streamgym.tours import crashes, scripts, views

kafka = shared.address("kafka")  # starts a broker when none runs
workers = scripts.workers()

# %%
orders = shop.orders(Random(14), 30)
source = topics.create(kafka)
topics.produce(kafka, source, orders, key="customer")
books = crashes.Books(kafka, source, orders)
pd.DataFrame(orders).head(3)

# %% [markdown]
# ## Two things to do, and a moment between
#
# The clerk takes ten orders at a time. It writes them, then commits its offset: *I am done with these*. [What each clerk shares](../streamgym/tours/booking.py) is not shown here.

# %% worker="write_first"
from kafka import KafkaProducer

from streamgym.tours.booking import SERVERS, batches, consumer, write

producer = KafkaProducer(bootstrap_servers=SERVERS, linger_ms=500)
for batch in batches():
    write(producer, batch)
    consumer.commit()

# %%
quiet = books.run(workers["write_first"])
print(f"nobody disturbs it: {quiet.lost} orders lost, {quiet.twice} twice")
timeline(quiet.trial.trace, "write, then commit: three batches")

# %% [markdown]
# Each arrow is a request that changes something. A program can only do harm by dying between two of them. There are few such points, so try *all* those of the second batch (the others repeat): kill it there, start it again, read the ledger.

# %%
between = predict(
    "It is killed when its second batch is written and not yet committed, and started again. Then that batch is in the ledger …",
    "once",
    "twice",
    "lost",
)

# %%
write_first = books.sweep(workers["write_first"])
crashes.draw(write_first=write_first)

# %%
struck = crashes.at(write_first, "after", "Produce")
between.reveal(
    struck.outcome,
    f"{struck.twice} orders are there twice. The new clerk begins where the committed offset says, and nobody had told it. The other points do no harm. This is at least once.",
)

# %% [markdown]
# ## So commit first?
#
# The same two lines, swapped. Nothing can come twice now.

# %% worker="commit_first"
from kafka import KafkaProducer

from streamgym.tours.booking import SERVERS, batches, consumer, write

producer = KafkaProducer(bootstrap_servers=SERVERS, linger_ms=500)
for batch in batches():
    consumer.commit()
    write(producer, batch)

# %%
swapped = predict(
    "What does a crash between the two lines cost now?",
    "nothing",
    "one batch is lost",
    "all orders are lost",
)

# %%
commit_first = books.sweep(workers["commit_first"])
crashes.draw(write_first=write_first, commit_first=commit_first)

# %%
gone = crashes.at(commit_first, "after", "OffsetCommit").lost
swapped.reveal(
    "all orders are lost" if gone == len(orders) else "one batch is lost" if gone else "nothing",
    f"{gone} orders were called done before they were. This is at most once. Right for a text message that nobody must get twice; wrong for money.",
)

# %% [markdown]
# Wherever you put the commit, there is a moment before it and one after. [Lab 04](../labs/04_delivery_guarantees/lab.ipynb) lets you look for a third place. There is none.

# %% [markdown]
# ## Leave out what you know
#
# The guide's consumer asks its database: do I know this order already? Try that on both ledgers, each after its worst crash.

# %%
remedy = predict(
    "A reader leaves out orders that it has seen. Whose ledger does that mend?",
    "write first",
    "commit first",
    "both",
)


# %%
def wrong_for_a_careful_reader(ledger):
    """Return the orders that are still lost or there twice."""
    seen = {row["order"]: row for row in topics.read(kafka, ledger.topic)}
    rows = list(seen.values())
    return logs.lost(orders, rows, "order") + logs.duplicated(rows, "order")


worst = {"write first": struck, "commit first": crashes.at(commit_first, "after", "OffsetCommit")}
wrong = {name: len(wrong_for_a_careful_reader(ledger)) for name, ledger in worst.items()}
wrong

# %%
mended = [name for name, orders_wrong in wrong.items() if not orders_wrong]
remedy.reveal(
    mended[0] if len(mended) == 1 else "both",
    "What is there twice can be left out; what is gone cannot be made up. So at least once, and an effect that may be repeated, is what most systems are built of.",
)

# %% [markdown]
# The list of what was seen must be kept *with* the effect, in one transaction. Asking first and acting afterwards, as the guide's code does, is again two steps with a moment between. [Lab 06](../labs/06_outbox/lab.ipynb) has the inbox, and its mirror image for those who write: the outbox.

# %% [markdown]
# ## Make one of two
#
# Kafka's offsets lie in a topic, too. So one **transaction** can hold the orders *and* the offset.

# %% worker="transaction"
from kafka import KafkaProducer

from streamgym.tours.booking import LEDGER, SERVERS, after, batches, consumer, write

settings = {"linger_ms": 500, "retry_backoff_ms": 20}
producer = KafkaProducer(bootstrap_servers=SERVERS, transactional_id=LEDGER, **settings)
producer.init_transactions()  # ends what a dead clerk has left open
for batch in batches():
    producer.begin_transaction()
    write(producer, batch)
    producer.send_offsets_to_transaction(after(batch), consumer.group_metadata())
    producer.commit_transaction()

# %%
more = predict(
    "It sends more requests than the other two, so it has more points to die at. At how many of them is the ledger wrong?",
    "at none",
    "at one",
    "at several",
)

# %%
transaction = books.sweep(workers["transaction"])
crashes.draw(write_first=write_first, commit_first=commit_first, transaction=transaction)

# %%
bad = [str(ledger.trial.point) for ledger in transaction if ledger.outcome != "once"]
more.reveal(
    "at several" if len(bad) > 1 else "at one" if bad else "at none",
    f"{len(transaction)} crashes, {len(bad)} wrong ledgers. Before EndTxn arrives nothing counts, after it all does. There is no moment between.",
)

# %% [markdown]
# ## Half of it is the reader
#
# One of these clerks was killed when its second batch lay in the topic, with no commit. Its successor wrote the batch again. Look at that topic with both isolation levels.

# %%
copies = predict(
    "Is the first copy of that batch still in the topic?",
    "no, the abort has deleted it",
    "yes, for who reads without care",
)

# %%
topic = crashes.at(transaction, "after", "Produce").topic
counts = {
    level: len(topics.records(kafka, topic, level))
    for level in ("read_uncommitted", "read_committed")
}
print(counts)

extra = counts["read_uncommitted"] - counts["read_committed"]
copies.reveal(
    "yes, for who reads without care" if extra else "no, the abort has deleted it",
    f"{extra} records more. A log is only appended to; an abort adds a marker behind them. read_uncommitted is the default of Kafka's own consumer, so all that care is lost unless each reader asks for read_committed.",
)

# %% [markdown]
# You can write the transaction yourself, and have it killed everywhere, in [lab 05](../labs/05_exactly_once/lab.ipynb). [Lab 12](../labs/12_structured_streaming/lab.ipynb) does the same to a Spark query.

# %% [markdown]
# ## Right, but when?
#
# Now nobody crashes. A **read model** follows a topic of payments and keeps their sum, as a page with your balance does. You pay, Kafka has confirmed it, and you look.


# %%
def at_once(view, offset):
    return view.cents


payments = topics.create(kafka)
late = predict(
    "Twenty customers pay, and each looks at once. Who sees the own payment in the sum?",
    "all of them",
    "not all",
)

# %%
with views.View(kafka, payments) as view:
    eventual = views.ask(kafka, payments, view, at_once)
    view.wait_for(len(eventual) - 1)  # the offset of the last payment
    print(f"paid {eventual[-1].due} cents; in the end the view says {view.cents}")

seen = sum(answer.is_right for answer in eventual)
late.reveal(
    "all of them" if seen == len(eventual) else "not all",
    f"{seen} of {len(eventual)} did. Yet nothing is wrong: the view was right a moment later. This is eventual consistency: right, at some time, if you leave it alone.",
)

# %% [markdown]
# Strong consistency is another promise: who looks sees all that was confirmed before. Whoever wants it must wait until the view has reached the log's end of that moment. A payer needs less, to **read your own writes**: the offset of the own record.


# %%
def when_it_is_there(view, offset):
    view.wait_for(offset)
    return view.cents


with views.View(kafka, payments) as view:
    view.wait_for(len(eventual) - 1)
    strong = views.ask(kafka, payments, view, when_it_is_there, payers=8)
views.draw(at_once=eventual, when_it_is_there=strong)

waited = sum(answer.took for answer in strong) / len(strong)
told = sum(answer.is_right for answer in strong)
print(f"{told} of {len(strong)} are right, and waited for {waited * 1000:.0f} ms on average")

# %% [markdown]
# That is the trade. An answer at once may be old; one that is surely new has its price. With replicas it is the same: `acks=all` waits until every replica in sync has the record, and a consumer is given only what they all have.

# %% [markdown]
# ## What you can now answer
#
# - At most, at least, exactly once: what decides? Whether the commit stands before the work, after it, or in one transaction with it.
# - What does exactly once cost the reader? `read_committed`.
# - When is at least once enough? When the effect may be repeated, or can be told apart and left out.
# - Eventual or strong? Answer at once, or wait until the view is as far as the log was; for your own writes, as far as your own offset.
#
# Questions 4 and 17 on the [start page](00_start.ipynb) go further.
