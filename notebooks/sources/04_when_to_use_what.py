# ---
# title: When to use what
# chapters: [4]
# questions: [1, 12, 26]
# minutes: 10
# ---

# %% [markdown]
# # When to use what
#
# The guide lists reasons for streams and reasons for batches. Real tasks have some of both. Below is a chooser that weighs them, tells what spoke for its advice and against it, and lets you disagree.

# %%
from streamgym.lab.predict import predict
from streamgym.tours.chooser import advise, choose, show

# %%
choose()

# %% [markdown]
# Play with it. Which single answer turns the advice around? If you find the advice wrong, select what it underrates (with Ctrl or Cmd for several): it then counts twice.

# %% [markdown]
# ## Three tasks of the shop
#
# Decide first, then look.

# %%
fraud = predict(
    "Stop a payment that looks like fraud, while the customer waits.",
    "stream",
    "micro-batch",
    "batch",
)

# %%
from IPython.display import HTML

task = {
    "freshness": "below a second",
    "action": "a machine acts at once",
    "input": "event by event",
    "history": "the last minutes or hours",
    "wrong": "little; it is corrected",
    "team": "people on call",
}
advice = advise(task)
HTML(show(advice))

# %%
fraud.reveal(advice.way, "After the customer has left, the best answer is worth nothing.")

# %%
payouts = predict(
    "Pay the sellers what they are owed, every night.", "stream", "micro-batch", "batch"
)

# %%
task = {
    "freshness": "hours, or a day",
    "action": "it is filed, or read once a day",
    "input": "as files, or a whole table",
    "history": "years, joined with much else",
    "wrong": "much; it must balance",
    "team": "nobody until the morning",
}
advice = advise(task)
HTML(show(advice))

# %%
payouts.reveal(
    advice.way, "Nobody is paid sooner, and a run that failed is run again in the morning."
)

# %%
dashboard = predict(
    "Show the warehouse staff how many orders wait to be packed.",
    "stream",
    "micro-batch",
    "batch",
)

# %%
task = {
    "freshness": "minutes",
    "action": "a person looks at it",
    "input": "event by event",
    "history": "the last minutes or hours",
    "wrong": "little; it is corrected",
    "team": "nobody until the morning",
}
advice = advise(task)
HTML(show(advice))

# %%
dashboard.reveal(advice.way, "A person does not see the difference between a second and a minute.")

# %% [markdown]
# ## Both at once?
#
# The guide's hybrid runs a stream for the quick answer and a batch for the exact one (Lambda). You then write the logic twice and must notice when the two disagree. Its own example, an order count that may hold duplicates, is not a law of nature: [lab 05](../labs/05_exactly_once/lab.ipynb) counts exactly in a stream.
#
# So ask why the stream would be wrong. If it is the code, mend it. If it is late data, [windows and watermarks](../labs/03_windowing/lab.ipynb) say how long to wait. If the exact answer needs years of data, or must wait for the bank's file, a batch beside the stream is right.

# %% [markdown]
# ## What you can now answer
#
# - Stream or batch? Ask how old the answer may be, who acts on it, and what it must look at, before you name a product.
# - When Lambda, when Kappa? When one path cannot give the exact answer, and else when the log can be replayed.
#
# Questions 1, 12 and 26 on the [start page](00_start.ipynb) go further.
