"""The ekart shop: small orders drawn from a seed, the same for the same source of randomness."""

from random import Random
from typing import Any

from streamgym.data import streams

PRICES = {
    "tea": 450,
    "coffee": 899,
    "mug": 1250,
    "kettle": 3499,
    "toaster": 4995,
    "blender": 7900,
}
"""What the shop sells, in cents."""

SPARK_SCHEMA = (
    "order long, customer string, region string, product string, amount long, placed timestamp"
)
"""The columns of an order of one product, in Spark's words."""


def orders(rng: Random, number: int, customers: int = 4) -> list[dict[str, Any]]:
    """Draw orders in the order in which they were placed.

    Each is ``{"order", "customer", "amount", "items"}``: a number of its own that grows by one, a
    customer ``c1`` to ``c<customers>``, the amount in cents, and one to three items as
    ``{"product", "quantity", "price"}`` with the price of one in cents, which add up to the amount.
    """
    first = rng.randrange(1000, 9000)
    return [_order(rng, first + n, f"c{rng.randint(1, customers)}") for n in range(number)]


def _order(rng: Random, order: int, customer: str) -> dict[str, Any]:
    bought = {product: rng.randint(1, 3) for product in rng.sample(list(PRICES), rng.randint(1, 3))}
    items = [{"product": p, "quantity": n, "price": PRICES[p]} for p, n in bought.items()]
    amount = sum(n * PRICES[product] for product, n in bought.items())
    return {"order": order, "customer": customer, "amount": amount, "items": items}


def read_stream(spark: Any, servers: str, topic: str, per_batch: int) -> Any:
    """Return a topic of orders of one product as a streaming DataFrame.

    Its columns are those of ``SPARK_SCHEMA``, and ``arrived``: when Kafka's log got the record.

    Args:
        spark: the SparkSession to read with.
        servers: the broker's bootstrap servers.
        topic: a topic of orders, as JSON.
        per_batch: records per micro-batch (Spark's ``maxOffsetsPerTrigger``).
    """
    return streams.read_json(spark, servers, topic, SPARK_SCHEMA, per_batch)
