# ---
# title: Scaling out, and who stands still meanwhile
# chapters: [15, 17]
# questions: [2, 3, 20]
# minutes: 15
# ---

# %% [markdown]
# # Scaling out, and who stands still meanwhile
#
# Too much work for one consumer? Start more. You will see who gets which partition, second by second, what a newcomer costs the others, what a death costs, and what more partitions break.

# %%
import pandas as pd

from streamgym.checks import topics
from streamgym.lab.predict import predict
from streamgym.stack import shared
from streamgym.tours import scaling

kafka = shared.address("kafka")  # starts a broker when none runs

# %% [markdown]
# ## Three partitions, one consumer, then more
#
# Each member of the group is [a process of its own](../streamgym/tours/member.py) that writes down what it is given.

# %%
group = scaling.Group(kafka, partitions=3)
for name in ("A", "B", "C"):
    print(f"{name} joins and gets {sorted(group.join(name))}")
eager = group.given_up()  # needed below

# %%
fourth = predict(
    "The guide says: match or exceed the number of partitions. What becomes of a fourth member?",
    "it shares a partition with another",
    "one of the four has nothing",
    "it is refused",
)

# %%
group.join("D")
{name: sorted(owned) for name, owned in sorted(group.owners().items())}

# %%
idle = [name for name, owned in group.owners().items() if not owned]
fourth.reveal(
    "one of the four has nothing" if idle else "it shares a partition with another",
    f"A partition has one owner in a group, so one of four has none, here {', '.join(idle)}. It is of use as a spare, and costs what the others cost. Who gets what is for the assignor to say.",
)

# %% [markdown]
# ## A rebalance, as it happens
#
# Where a row is white, nobody reads that partition.

# %%
scaling.draw(the_group=group)

# %% [markdown]
# At each newcomer *all* give up *all*, even what they get back at once. This is the **eager** protocol. The members meet, the leader deals anew, and all go on. Whoever takes long to come to the meeting holds up everybody.

# %%
stops = predict(
    "With the cooperative protocol, what must be given up when B and then C join A?",
    "nothing",
    "only what changes its owner",
    "everything, as before",
)

# %%
gentle = scaling.Group(kafka, partitions=3, strategy="cooperative")
for name in ("A", "B", "C"):
    print(f"{name} joins and gets {sorted(gentle.join(name))}")
scaling.draw(cooperative=gentle)

# %%
print(f"given up: {eager} eager, {gentle.given_up()} cooperative")
stops.reveal(
    "only what changes its owner" if gentle.given_up() < eager else "everything, as before",
    "Whoever keeps a partition goes on reading it meanwhile. Kafka 4 has a third protocol (group.protocol=consumer), in which the broker deals, member by member.",
)
gentle.close()

# %% [markdown]
# ## More partitions
#
# D wants work, so the topic gets six partitions. First some orders, keyed by customer, before and after.

# %%
customers = [{"customer": f"c{number}"} for number in range(20)]
topics.produce(kafka, group.topic, customers, key="customer")
moved = predict(
    "Twenty customers have ordered. After that the topic grows from 3 to 6 partitions. Where do their next orders go?",
    "all to the same partitions as before",
    "some to other partitions",
)

# %%
group.grow(6)
topics.produce(kafka, group.topic, customers, key="customer")
{name: sorted(owned) for name, owned in sorted(group.owners().items())}

# %%
records = topics.records(kafka, group.topic)
places = pd.DataFrame([(r.key, r.partition) for r in records], columns=["customer", "partition"])
used = places.groupby("customer")["partition"].unique()
used[used.map(len) > 1].head()

# %%
split = int((used.map(len) > 1).sum())
moved.reveal(
    "some to other partitions" if split else "all to the same partitions as before",
    f"{split} of 20 customers now have orders in two partitions, that are read by two consumers at once. The order of a customer's events is gone, once and for all, at this point. So have enough partitions from the beginning; a topic can grow, and cannot shrink.",
)

# %% [markdown]
# ## A death
#
# One member is killed. It cannot say goodbye; the broker notices that its heartbeats stay away. Here it waits for three seconds (`session.timeout.ms`), by default for 45.

# %%
gap = predict(
    "How long does nobody read the partitions of the dead?",
    "not at all",
    "until its session times out",
    "until it is started again",
)

# %%
group.kill("A")
scaling.draw(the_group=group)

# %%
orphaned = scaling.orphaned(group.changes())
gap.reveal(
    "until its session times out" if orphaned > 1 else "not at all",
    f"It took {orphaned:.1f} s. A longer session, as the guide advises against rebalances, makes this longer too. What takes long is better handled by max.poll.interval.ms, and a planned stop by close(), which says goodbye.",
)
group.close()

# %% [markdown]
# ## How many?
#
# Measure what one consumer can do, and divide: 10,000 records a second, at 1,500 a consumer, are seven consumers. So at least seven partitions, better twelve: a number that 2, 3, 4 and 6 divide, with room to grow. And mind the key: if one customer has half of all orders, no number of partitions helps.

# %% [markdown]
# ## What you can now answer
#
# - How far does a group scale? To one member a partition. Beyond that they are spares.
# - What does a rebalance cost? Eager: everybody stops. Cooperative: only what moves.
# - Why not add partitions later? Keys move, and their order is lost.
# - What does a crash cost? The session time-out, for its partitions; and what was done since the last commit is done again, as [lab 04](../labs/04_delivery_guarantees/lab.ipynb) shows.
#
# Questions 2, 3 and 20 on the [start page](00_start.ipynb) go further; [lab 13](../labs/13_skew/lab.ipynb) has the key with half of all records.
