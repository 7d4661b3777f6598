# ---
# title: NN_topic
# chapters: [2]
# questions: []
# minutes: 30
# ---

# %% [markdown]
# # NN_topic
#
# One story, one data set, one surprise. Let the naive program fail on the live system first; then let the learner mend it.

# %%
from streamgym.lab import Lab

lab = Lab("NN_topic", student="")  # write your name: it draws your own data

# %% [markdown]
# **Exercise.** `orders` is a list of customers, one for each order. Return how many orders each customer has.


# %%
def orders_per_customer(orders: list[str]) -> dict[str, int]:
    # BEGIN SOLUTION
    counts: dict[str, int] = {}
    for customer in orders:
        counts[customer] = counts.get(customer, 0) + 1
    return counts
    # END SOLUTION


# %%
lab.check("orders_per_customer")

# %%
lab.progress()
