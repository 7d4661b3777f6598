# ---
# title: Five alerts, one number
# chapters: [12, 17]
# questions: [3, 4]
# minutes: 25
# ---

# %% [markdown]
# # Five alerts, one number
#
# Three o'clock at night. Five pipelines of the shop have an alert, and all five alerts say the same. You have what every Kafka comes with: its command-line tools. Find what ails each, mend it, and see it work.

# %%
from functools import partial

from streamgym.lab.predict import predict
from streamgym.stack import shared
from streamgym.tours import clinic, tools

kafka = shared.address("kafka")  # starts a broker when none runs
tool = partial(tools.run, kafka)  # fills in --bootstrap-server

# %% [markdown]
# Each pipeline is a topic of orders, and a service that handles them in processes of its own. All five had good days. Then each was broken, for real and in its own way.

# %%
pipelines = clinic.admit(kafka)
billing, fraud, loyalty, mail, packing = pipelines.values()
clinic.draw_lag(pipelines)

# %% [markdown]
# The dashboard cannot tell them apart. The guide's first advice against lag is more consumers. Keep it in mind: whom will it help?
#
# ## Who reads, and how far
#
# One command for all five. For each partition: where the group is (**CURRENT-OFFSET**), where the log ends, the difference, and who reads it. Group and topic have the same name here.

# %%
groups = " ".join(f"--group {pipeline.topic}" for pipeline in pipelines.values())
tool(f"kafka-consumer-groups --describe {groups}")

# %% [markdown]
# Two pictures, not one. *Loyalty* and *mail* wait in all partitions, and nobody reads them (`-`). *Billing*, *fraud* and *packing* have readers, and yet one partition stands still while the others are empty.
#
# ## Mail
#
# All that there is to see is above.

# %%
ails_mail = predict("What ails mail?", *clinic.ILLNESSES)

# %%
found = clinic.examine(pipelines)
ails_mail.reveal(
    found["mail"].illness,
    f"It has {found['mail'].members} members. No tool says why: look into the service's own log. Somebody must start it.",
)

mail.start()
mail.settle()  # until nothing waits
print(f"lag {mail.lag()}; {len(mail.handled())} of {len(mail.orders)} orders are handled")

# %% [markdown]
# ## Loyalty
#
# It looks the same in every column. Shall we start it, and go back to bed? Ask one thing more: which records are still there? The tool gives a line a partition, `topic:partition:offset`.

# %%
tool(f"kafka-get-offsets --topic {loyalty.topic} --time earliest")

# %%
ails_loyalty = predict(
    "Compare these with loyalty's CURRENT-OFFSET above. What ails it?", *clinic.ILLNESSES
)

# %%
deleted = sum(max(0, p.begin - p.committed) for p in found["loyalty"].partitions)
ails_loyalty.reveal(
    found["loyalty"].illness,
    f"The logs begin beyond the group's offsets: {deleted} records went before anybody read them. Retention does that to a service that is down for longer; here somebody made room with kafka-delete-records.",
)

# %% [markdown]
# Start it as well, and see what the alert says then.

# %%
silent = predict(
    "When it has caught up, what will its lag be?",
    "zero",
    "as many as were deleted",
)

# %%
loyalty.start()
loyalty.settle()
print(f"lag {loyalty.lag()}; {len(loyalty.handled())} of {len(loyalty.orders)} orders are handled")

silent.reveal(
    "zero" if loyalty.lag() == 0 else "as many as were deleted",
    "The alert is quiet, and the orders are gone. The consumer asked for an offset that was not there, and auto_offset_reset took it to the next that was. With auto_offset_reset=none it would have stopped with an error.",
)

# %% [markdown]
# Kafka cannot bring them back, so send them again from where they came. And see to it that records stay for longer than your longest outage.

# %%
done = loyalty.handled()
loyalty.send(order for order in loyalty.orders if order["order"] not in done)
loyalty.settle()
print(f"{len(loyalty.handled())} of {len(loyalty.orders)} orders are handled")

# %% [markdown]
# ## What lies there?
#
# Three are left, each with a reader, and with one partition that stands. Have a look at the records where the groups are: key, then value.


# %%
def look(name):
    at = found[name].worst
    where = f"--topic {pipelines[name].topic} --partition {at.number} --offset {at.committed}"
    how = "--max-messages 3 --timeout-ms 10000 --formatter-property print.key=true"
    return f"kafka-console-consumer {where} {how}"


tool(look("packing"), look("fraud"), look("billing"))

# %% [markdown]
# ## Packing

# %%
ails_packing = predict("What ails packing? It is the first of the three.", *clinic.ILLNESSES)

# %%
ails_packing.reveal(
    found["packing"].illness,
    "The first record is of another format than those behind it. The service fails, goes back, tries again, for ever: it looks busy. A second consumer would do the same.",
)

# %% [markdown]
# So step over it. Your copy of it is above; in earnest the service sends it to a dead-letter topic by itself, as in the [tour of chapter 13](13_error_handling.ipynb). The tool moves the offsets of a group only while nobody is in it.

# %%
packing.stop()
at = found["packing"].worst
shift = "--reset-offsets --shift-by 1 --execute"
where = f"--topic {packing.topic}:{at.number}"
print(tool(f"kafka-consumer-groups --group {packing.topic} {where} {shift}"))

packing.start()
packing.settle()
print(f"lag {packing.lag()}; {len(packing.handled())} of {len(packing.orders)} orders are handled")

# %% [markdown]
# ## Fraud
#
# The second of the three. Its records look well, their keys differ, a member is there, and it reads nothing. So who *writes* into that partition? A number in the last column is where a transaction began that has not ended.

# %%
at = found["fraud"].worst
tool(
    f"kafka-transactions describe-producers --topic {fraud.topic} --partition {at.number}",
    f"kafka-transactions list --transactional-id-pattern {fraud.topic}.*",
)

# %%
ails_fraud = predict("What ails fraud?", *clinic.ILLNESSES)

# %%
ails_fraud.reveal(
    found["fraud"].illness,
    f"Its readers may go to offset {at.stable}, the last stable offset, and the log ends at {at.end}. Somebody, the second tool says who, began a transaction and neither commits nor aborts. One record holds up all others, whoever wrote them.",
)

# %% [markdown]
# The broker ends such a transaction by itself after `transaction.timeout.ms`: a minute by default, here a quarter of an hour (did you take longer? Then run this from the top). Or its owner starts again with the same id. Or you do it.

# %%
where = f"--topic {fraud.topic} --partition {at.number} --start-offset {at.stable}"
print(tool(f"kafka-transactions abort {where}"))

fraud.place(30)  # new customers
fraud.settle()
print(f"lag {fraud.lag()}; {len(fraud.handled())} of {len(fraud.orders)} orders are handled")

# %% [markdown]
# How a reader of committed records is stopped, and for how long, is a part of [lab 05](../labs/05_exactly_once/lab.ipynb).
#
# ## Billing

# %%
ails_billing = predict(
    "And billing, the last of those three? It has three members.", *clinic.ILLNESSES
)

# %%
keys = [record.key for record in found["billing"].records]
most = max(set(keys), key=keys.count)
ails_billing.reveal(
    found["billing"].illness,
    f"{keys.count(most)} of {len(keys)} records have the key {most!r}. One member works, two watch. A fourth would watch, too, and more partitions would not split a key.",
)

# %% [markdown]
# If the order among this customer's orders does not matter, key them by order. The price: what one customer does is then handled in any order.

# %%
at = found["billing"].worst
where = billing.place(60, key="order", customer="reseller")
billing.settle(but=at.number)  # in the other partitions nothing waits
new = {order["order"] for order in billing.orders[-60:]}
print(f"partitions: {[where.count(number) for number in range(3)]}")
print(f"{len(new & billing.handled())} of 60 are handled; the rest is behind the old ones")

# %% [markdown]
# [Lab 13](../labs/13_skew/lab.ipynb) salts such keys, and [the tour of chapter 15](15_scaling.ipynb) shows what else does not help.
#
# ## What the tools have told
#
# All five pipelines, three partitions each: what was read, what waits, and what nobody will ever read.

# %%
clinic.draw(at_three=found, at_four=clinic.examine(pipelines))

clinic.close(pipelines)

# %% [markdown]
# ## What you can now answer
#
# - What do you ask first when lag grows? Who reads; in all partitions or in one; does the offset move?
# - One partition stands. Look at the record, at the keys, and at open transactions.
# - Lag is zero. Is all well? Not if offsets were skipped. Count what was done, too.
# - Whom do more consumers help? Of these five: mail, which had none. Else only a group whose partitions are all behind, and which has fewer members than partitions.
#
# What a killed worker leaves behind, doubles and losses, is in the [tour of chapter 14](14_consistency.ipynb) and in [lab 04](../labs/04_delivery_guarantees/lab.ipynb). Questions 3 and 4 on the [start page](00_start.ipynb) go further.
