# ---
# title: Stream or batch, seen side by side
# chapters: [1]
# questions: [1, 23]
# minutes: 10
# ---

# %% [markdown]
# # The same question, answered twice
#
# What has the shop earned so far? One program adds up each order as it arrives; another reads all orders again, every two seconds. Both will be right at the end. What differs is how old the answer on your screen is, and what it cost to get it.

# %%
from streamgym.lab.predict import predict
from streamgym.stack import shared
from streamgym.tours.freshness import compare

kafka = shared.address("kafka")  # starts a broker when none runs

# %% [markdown]
# ## Predict, then run
#
# Orders will come in for eight seconds, 200 a second. The batch program runs every two seconds. Click your answers first: to be wrong is how one remembers.

# %%
oldest = predict(
    "How old does the batch program's answer get?",
    "about 0.2 seconds",
    "about 2 seconds",
    "about 8 seconds",
)

# %%
more = predict("Which program reads more records?", "the stream", "the batch")

# %%
seen = compare(kafka)
seen.draw()

# %%
ages = max(seen.batch.ages) + 2
oldest.reveal(
    "about 2 seconds" if ages < 4 else "about 8 seconds",
    "Right after a run the answer is fresh. Then it ages until the next run, so its age is a saw: at worst the interval and the run itself.",
)

# %%
more.reveal(
    "the batch" if seen.batch.read > seen.stream.read else "the stream",
    f"The stream read each of its {seen.stream.read:,} orders once; the batch read {seen.batch.read:,}, because every run begins at the beginning.",
)

# %% [markdown]
# ## Both are right
#
# Neither is more exact. The stream remembers its total; the batch forgets everything and works it out anew. That is the whole difference, and all others follow from it.

# %%
for name, answers in {"stream": seen.stream, "batch": seen.batch}.items():
    print(f"{name:7}{answers.totals[-1] / 100:12,.2f}   due {seen.total / 100:,.2f}")

# %% [markdown]
# ## What memory costs
#
# The stream's total lives in its process. Kill it, and the total is gone; start it again, and it must know both the total and how far it had read, and the two must fit each other. [Lab 04](../labs/04_delivery_guarantees/lab.ipynb) kills such programs at every point of their run, and [lab 05](../labs/05_exactly_once/lab.ipynb) makes them survive it.
#
# The batch has nothing to lose. It was killed? Run it again. That is why a batch is the simpler program, and often the right one.

# %% [markdown]
# ## A shorter interval?
#
# Run the batch four times as often. It gets fresher. What happens to its cost?

# %%
cost = predict(
    "Every half second instead of every two seconds. What does the batch read now?",
    "about the same",
    "about four times as much",
    "less",
)

# %%
often = compare(kafka, every=1, seconds=4)
seldom = compare(kafka, every=2, seconds=4)
print(f"every 2 s: {seldom.batch.read:,} records, every second: {often.batch.read:,} records")

# %%
cost.reveal(
    "about four times as much",
    "Each run reads all there is, so four times as many runs read about four times as much (you have just seen it double from two seconds to one). The price of freshness, for a program without memory, grows without end.",
)

# %% [markdown]
# ## Between the two
#
# A program that runs every two seconds *and* remembers how far it had read is a **micro-batch**: Spark's Structured Streaming works so. Its cost is that of the stream and its age that of the batch. An **incremental** batch job does the same once a night.
#
# | | remembers | reads | age of the answer |
# | --- | --- | --- | --- |
# | batch, full | nothing | everything, each time | the interval and the run |
# | batch, incremental | how far it read | what is new | the interval and a short run |
# | micro-batch | how far, and state | what is new | the interval, a second or so |
# | stream | how far, and state | each record once | milliseconds |

# %% [markdown]
# ## What you can now answer
#
# - What separates stream from batch processing? Not speed: whether the input ends, and what must be remembered.
# - Why is a batch job simpler? It can be run again.
# - What does freshness cost? Memory that survives, or reading everything ever more often.
#
# Questions 1 and 23 on the [start page](00_start.ipynb) go further. Next: [when to use what](04_when_to_use_what.ipynb).
