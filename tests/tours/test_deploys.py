import pandas as pd
import pytest

from streamgym.stack.postgres import Postgres
from streamgym.tours.deploys import Deploy, deploy

ABRUPT = """
from streamgym.tours.billing import Billing

billing = Billing()
while True:
    for records in billing.consumer.poll(timeout_ms=500).values():
        for record in records:
            billing.book(record)
        billing.consumer.commit()
"""
GRACEFUL = (
    ABRUPT.replace("while True", "while not asked").replace(
        "billing =",
        "import signal\nasked = []\n"
        "signal.signal(signal.SIGTERM, lambda *_: asked.append(1))\nbilling =",
    )
    + "billing.consumer.close()\n"
)


@pytest.fixture(scope="module")
def database():
    with Postgres() as server:
        yield server.address


def test_it_counts_orders_that_are_booked_twice_and_never():
    bookings = pd.DataFrame({"order_id": [1, 2, 2, 2, 4, 4]})
    seen = Deploy(bookings, asked=0.0, orders=5)
    assert (seen.twice, seen.never) == (2, 2)


@pytest.mark.stack
def test_who_dies_on_the_spot_loses_nothing(kafka, database):
    assert deploy(kafka, database, ABRUPT).never == 0


@pytest.mark.stack
def test_who_finishes_its_batch_books_each_order_once(kafka, database):
    seen = deploy(kafka, database, GRACEFUL)
    assert (seen.twice, seen.never) == (0, 0)
    assert seen.bookings["process"].nunique() == 2
