import pytest

from streamgym.tours import orders, services
from streamgym.tours.services import BOTH, ENDS, UNDER_WAY, Step, _colour, stories

SERVICE = """
from streamgym.tours.serving import serve

serve("{group}", "{source}", lambda order: ("{target}", order))
"""
CREATED, RESERVED = "order-created", "inventory-reserved"
COMPLETED, CANCELLED = "order-completed", "order-cancelled"


@pytest.fixture
def shop(kafka):
    shop = services.Shop.open(kafka)
    yield shop
    shop.close()


@pytest.mark.stack
def test_orders_wait_for_a_service_that_is_down_and_go_on_when_it_is_back(shop):
    customers = orders.placed(orders.history(seed=5, scale=0.01))
    groups = {"inventory-group": CREATED, "order-group": RESERVED}
    shop.place(customers)
    shop.start(SERVICE.format(group="inventory-group", source=CREATED, target=RESERVED))
    shop.settle({"inventory-group": CREATED})
    assert list(shop.read_by(groups)["waiting"]) == [0, len(customers)]
    shop.start(SERVICE.format(group="order-group", source=RESERVED, target=COMPLETED))
    shop.settle(groups)
    told = stories(shop.steps())
    assert told.keys() == {str(order["order_id"]) for order in customers}
    for story in told.values():
        assert [step.topic for step in story] == [CREATED, RESERVED, COMPLETED]
        assert len({step.partition for step in story}) == 1


def test_a_story_has_the_colour_of_its_end():
    def colour(*names):
        return _colour([Step(name, 0, "1", 0.0, {}) for name in names])

    assert colour(CREATED, RESERVED) == UNDER_WAY
    assert colour(CREATED, COMPLETED) == ENDS[COMPLETED]
    assert colour(CREATED, CANCELLED) == ENDS[CANCELLED]
    assert colour(CREATED, CANCELLED, COMPLETED) == BOTH
