# ---
# title: A shop of events, and what the figure leaves out
# chapters: [6, 9]
# questions: [2, 20]
# minutes: 20
# ---

# %% [markdown]
# # Nobody calls anybody
#
# In the guide's shop the order service does not call the payment service. It says what happened, and whoever cares listens. You will run that shop, take a service away, and follow each order through five topics.

# %%
import inspect
import uuid

from IPython.display import Code
from kafka import KafkaConsumer

from streamgym.lab.predict import predict
from streamgym.stack import shared
from streamgym.tours import orders, scripts, services, serving
from streamgym.workers import at_end

kafka = shared.address("kafka")  # starts a broker when none runs
workers = scripts.workers()

# %% [markdown]
# ## Five topics
#
# Each has three partitions. Every event is keyed by its order.

# %%
shop = services.Shop.open(kafka)
customers = orders.placed(orders.history(seed=7))
print(*services.TOPICS, sep="\n")

# %% [markdown]
# ## Three services
#
# A service reads a topic, decides, and writes to another. All of them have this loop; mind the order of its last two lines.

# %%
Code(inspect.getsource(serving.serve), language="python")

# %% worker="inventory"
from streamgym.tours.serving import serve


def reserve(order):
    if order["quantity"] > 4:
        return "order-cancelled", order | {"reason": "out of stock"}
    return "inventory-reserved", order


serve("inventory-group", "order-created", reserve)

# %% worker="payment"
from streamgym.tours.serving import serve


def pay(order):
    if order["amount_cents"] > 60_000:
        return "order-cancelled", order | {"reason": "payment refused"}
    return "payment-processed", order


serve("payment-group", "inventory-reserved", pay)

# %% worker="completion"
from streamgym.tours.serving import serve

serve("order-group", "payment-processed", lambda order: ("order-completed", order))

# %% [markdown]
# ## The payment service is down
#
# Start the other two, and let twelve customers order.

# %%
down = predict(
    "Nobody handles payments. What becomes of these orders?",
    "the customers see an error",
    "they wait, and are completed when it is back",
    "they are accepted, and lost",
)

# %%
shop.start(workers["inventory"])
shop.start(workers["completion"])
shop.place(customers[:12])
shop.settle({"inventory-group": "order-created"})  # until none waits for it
services.draw(shop.steps())

# %% [markdown]
# Grey orders have gone as far as they can. No service has noticed anything, and no customer has. Now the payment service comes back, and more customers with it.

# %%
shop.start(workers["payment"])
shop.place(customers[12:24])
groups = {
    "inventory-group": "order-created",
    "payment-group": "inventory-reserved",
    "order-group": "payment-processed",
}
shop.settle(groups)
services.draw(shop.steps())

# %%
stories = services.stories(shop.steps())
served = [s for s in stories.values() if s[-1].topic in services.ENDS]
down.reveal(
    "they wait, and are completed when it is back"
    if len(served) == 24
    else "they are accepted, and lost",
    "The topic kept them. Who calls a service needs it now; who writes an event needs it some time. What you lose is an answer: the customer was told accepted, not paid.",
)

# %% [markdown]
# ## One story
#
# What happened to one order lies in several topics. Together they are its history.

# %%
for step in stories["4"]:
    print(f"{step.seconds - stories['4'][0].seconds:6.3f} s  {step.topic}")

# %%
place = predict(
    "The five topics are separate. In which partitions do the events of one order lie?",
    "in the same one of each topic",
    "in whichever has room",
)

# %%
partitions = {order: [step.partition for step in story] for order, story in stories.items()}
for order in ("1", "2", "4"):
    print(f"order {order}: partitions {partitions[order]}")

# %%
place.reveal(
    "in the same one of each topic"
    if all(len(set(found)) == 1 for found in partitions.values())
    else "in whichever has room",
    "The same key and the same number of partitions give the same partition. So the events of an order keep their order, topic by topic. Give one topic more partitions, and that is over.",
)

# %% [markdown]
# ## A group that comes late
#
# Weeks later somebody wants statistics, and starts a new consumer group on `order-created`. The inventory service has read all of that long ago.

# %%
late = predict(
    "How many of the 24 orders does the new group get?",
    "none: they have been read",
    "all 24",
    "a third: it has one of three partitions",
)

# %%
consumer = KafkaConsumer(
    f"order-created{shop.suffix}",
    bootstrap_servers=kafka,
    group_id=f"analytics-{uuid.uuid4().hex[:6]}",
    auto_offset_reset="earliest",
)
counted = 0
while not at_end(consumer):
    counted += sum(len(records) for records in consumer.poll(timeout_ms=500).values())
consumer.close()
counted

# %%
late.reveal(
    {0: "none: they have been read", 24: "all 24"}.get(
        counted, "a third: it has one of three partitions"
    ),
    "To read is not to take away. Each group has its own offsets, and auto_offset_reset says where one without any begins. The default of Kafka is the end: then it would have got none.",
)

# %%
shop.read_by(groups)

# %% [markdown]
# ## As in the guide's figure
#
# The guide's figure has it otherwise: inventory *and* payment listen to `order-created`, side by side. That is faster, as nobody waits for anybody. Try it.

# %% worker="eager_payment"
from streamgym.tours.serving import serve


def pay(order):
    if order["amount_cents"] > 60_000:
        return "order-cancelled", order | {"reason": "payment refused"}
    return "payment-processed", order


serve("payment-group", "order-created", pay)

# %%
goods = predict(
    "A customer orders five; four are in stock. What happens to the order?",
    "it is cancelled",
    "it is paid, completed and cancelled",
    "it waits",
)

# %%
shop.close()
parallel = services.Shop.open(kafka)
for name in ("inventory", "eager_payment", "completion"):
    parallel.start(workers[name])
parallel.place(customers[:24])
parallel.settle(groups | {"payment-group": "order-created"})
services.draw(parallel.steps())

# %%
both = services.stories(parallel.steps())["1"]
print(f"order 1, of {both[0].event['quantity']} pieces: {', '.join(step.topic for step in both)}")
ends = {step.topic for step in both} & services.ENDS.keys()
goods.reveal(
    "it is paid, completed and cancelled" if len(ends) == 2 else "it is cancelled",
    "Neither service is wrong. The payment could not know that there was no stock, and nothing undoes it. Work that runs side by side must be undone by a compensation, here a refund: that is a saga.",
)
parallel.close()

# %% [markdown]
# ## Two more settings of the guide
#
# It sets `max-in-flight-requests-per-connection: 1`, as *required for idempotence*. Kafka allows up to five: the broker puts the batches of an idempotent producer into their order by their numbers. One at a time is only slower.
#
# And idempotence ends where your program does: it keeps the *producer's own retries* from writing twice. A service that dies between its last two lines handles events again. [Lab 04](../labs/04_delivery_guarantees/lab.ipynb) kills it there; [lab 06](../labs/06_outbox/lab.ipynb) joins the event to the database.

# %% [markdown]
# ## What you can now answer
#
# - What do events buy you? Services that need not be up at the same time, nor know each other. And what do they cost? Nobody sees the whole: it must be put together from topics.
# - How do events of one order keep their order? One key, one partition, in each topic; not between topics.
# - What is a consumer group? One reader, of as many processes as you like. Groups do not take anything away from each other.
#
# Questions 2 and 20 on the [start page](00_start.ipynb) go further.
