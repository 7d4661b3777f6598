# ---
# title: Retries, circuit breaker, dead letters
# chapters: [7, 13]
# questions: [5, 27]
# minutes: 15
# ---

# %% [markdown]
# # What to do when it fails
#
# A service will be down for two seconds. Four clients call it and retry, each time in another way. You will see what the sick service sees.

# %%
import json
import uuid

from kafka import KafkaConsumer, KafkaProducer

from streamgym.checks import topics
from streamgym.lab.predict import predict
from streamgym.stack import shared
from streamgym.tours import outage
from streamgym.workers import at_end

kafka = shared.address("kafka")  # starts a broker when none runs

# %% [markdown]
# ## Three ways to retry
#
# The service is a real one, on this machine. Grey is its outage; each line is a request, red when it was in vain.

# %%
load = predict(
    "Four clients retry at once, without a pause. How many requests are in vain, in two seconds?",
    "about eight",
    "about eighty",
    "several hundred",
)

# %%
at_once = outage.retried("at once")
steady = outage.retried("every tenth of a second")
backoff = outage.retried("backoff with jitter")
outage.draw(at_once, steady, backoff)

# %%
load.reveal(
    "several hundred" if at_once.wasted > 150 else "about eighty",
    f"It was {at_once.wasted:,}. A service that struggles to get up is held down by those who want it back. With a thousand clients that is how a short outage becomes a long one.",
)

# %% [markdown]
# ## Why jitter?
#
# Without randomness, clients that failed together wait together and come back together. **Full jitter** draws the pause between zero and a bound that doubles. The load then thins out, and spreads.

# %% [markdown]
# ## Circuit breaker
#
# Better still is not to call at all. After three failures in a row the breaker **opens**: calls fail at once, without a request. After half a second one call may try (**half-open**); if it succeeds, the breaker **closes**.

# %%
breaker = outage.broken_off()
outage.draw(backoff, breaker)

# %%
tries = predict(
    "Why does it try at all while it is open?",
    "to be polite",
    "nothing else tells it that the service is back",
)
tries.reveal(
    "nothing else tells it that the service is back",
    "It cannot know otherwise. One request every half second is the price.",
)

# %% [markdown]
# ## Not every failure is worth a retry
#
# A service that is down comes back. A record that cannot be read never gets better: it is **poison**. Retry it for ever, and its partition stands still behind it. So after some tries it goes to a **dead-letter topic**, with headers that say where it came from and why.

# %%
source, dead = topics.create(kafka), topics.create(kafka)
producer = KafkaProducer(bootstrap_servers=kafka)
for value in (b'{"amount": 450}', b'{"amount": "4,50"}', b"not JSON", b'{"amount": 899}'):
    producer.send(source, value)
producer.flush()

# %%
consumer = KafkaConsumer(
    source,
    bootstrap_servers=kafka,
    group_id=f"billing-{uuid.uuid4().hex[:6]}",
    auto_offset_reset="earliest",
    enable_auto_commit=False,
)
booked = []
while not at_end(consumer):
    for records in consumer.poll(timeout_ms=500).values():
        for record in records:
            try:
                booked.append(int(json.loads(record.value)["amount"]))
            except ValueError as error:
                why = [
                    ("topic", record.topic.encode()),
                    ("offset", str(record.offset).encode()),
                    ("error", str(error).encode()),
                ]
                producer.send(dead, record.value, headers=why)
    producer.flush()
    consumer.commit()
consumer.close()
booked

# %%
for letter in topics.records(kafka, dead):
    print(letter.headers)

# %% [markdown]
# Both good records are booked, and two letters wait for somebody to look at them. The order of the lines matters: flush the letter, *then* commit. [Lab 04](../labs/04_delivery_guarantees/lab.ipynb) kills such a consumer in between.

# %%
order = predict(
    "Commit first, then send the letter, and crash in between. What happens to the record?",
    "it is handled again",
    "it is gone",
)

# %%
order.reveal(
    "it is gone",
    "The committed offset says that all before it is done, and the letter was never written.",
)

# %% [markdown]
# ## What you can now answer
#
# - How do you retry? With a pause that grows and is random, a bound on tries, and only what can get better by itself.
# - What is a circuit breaker for? It spares the sick service, and your callers the wait.
# - What belongs into a dead letter? The record unchanged, where it came from, and why it failed; and somebody who reads them.
#
# Questions 5 and 27 on the [start page](00_start.ipynb) go further.
