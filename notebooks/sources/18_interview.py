# ---
# title: Interview practice
# chapters: [18]
# questions: []
# minutes: 30
# ---

# %% [markdown]
# # Interview practice
#
# A good answer is short, says how it works, and says where it ends. So answer aloud first, then
# look. The cards come back when you are about to forget them (FSRS): tomorrow, in a week, in a
# month.

# %%
from streamgym.interview.notebook import practise

practise()

# %% [markdown]
# ## Design a system
#
# An interviewer wants to see that you reckon before you draw boxes. How many events a second, how
# many partitions, how much disk, how much state? Each number is checked, and a known mistake is
# called by its name. Decimal units: 1 MB is 1,000,000 bytes.

# %%
from streamgym.interview.notebook import design

design("shop")

# %%
design("iot")

# %% [markdown]
# The guide's third system wants answers within a millisecond, from Kafka and Flink. Find out what of
# that is possible.

# %%
design("trading")

# %% [markdown]
# ## A mock interview
#
# On a terminal, `streamgym interview mock` asks four questions of different topics and a design, in
# 30 minutes. You rate yourself on what an interviewer listens for: the idea, the mechanism, the
# limits, the follow-ups. What you did not know comes back among the cards.
#
# Back to the [start page](00_start.ipynb).
