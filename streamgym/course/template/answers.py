"""Right answers of another kind, and the wrong ones that people really give."""

from collections import Counter

from streamgym.checks.labs import load_exercises
from streamgym.course.answers import right, wrong

orders_per_customer = load_exercises("NN_topic")["orders_per_customer"]


@right(orders_per_customer)
def with_a_counter(orders):
    return Counter(orders)


@wrong(
    orders_per_customer,
    misconception="counts customers, not orders",
    fails="the number of orders of each customer",
    hint=2,
)
def distinct_customers(orders):
    return dict.fromkeys(orders, 1)
