"""What is checked in this lab, and the hints."""

from streamgym.checks import Case, Expectations, Function, exercise, expect


@exercise(
    title="Count the orders of each customer",
    points=10,
    hints=[
        "Walk through the orders once, and keep a count for each customer.",
        "A customer who orders twice counts twice: do not count customers.",
    ],
)
def orders_per_customer(answer: Function, case: Case) -> Expectations:
    names = ["ada", "ben", "chen"]
    calls = [([case.rng.choice(names) for _ in range(8)],) for _ in range(20)]
    for (orders,), counts in zip(calls, answer.map(calls), strict=False):
        yield expect(
            "the number of orders of each customer",
            counts,
            equals={name: orders.count(name) for name in set(orders)},
            given=orders,
            mistakes={2: dict.fromkeys(orders, 1)},
        )
