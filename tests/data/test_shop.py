from random import Random

from streamgym.data import shop


def test_the_same_seed_draws_the_same_orders_and_another_seed_others():
    assert shop.orders(Random(1), 20) == shop.orders(Random(1), 20)
    assert shop.orders(Random(1), 20) != shop.orders(Random(2), 20)


def test_orders_are_numbered_and_their_items_add_up():
    drawn = shop.orders(Random(3), 200, customers=3)
    first = drawn[0]["order"]
    assert [order["order"] for order in drawn] == list(range(first, first + 200))
    assert {order["customer"] for order in drawn} == {"c1", "c2", "c3"}
    for order in drawn:
        prices = [(item["quantity"], item["price"]) for item in order["items"]]
        assert order["amount"] == sum(quantity * price for quantity, price in prices) > 0
        assert len({item["product"] for item in order["items"]}) == len(order["items"]) <= 3


def test_no_orders():
    assert shop.orders(Random(1), 0) == []
