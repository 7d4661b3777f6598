"""Topics of orders, and stages on which a worker passes them on."""

from random import Random

import pytest

from streamgym.checks import logs, topics
from streamgym.data import shop
from streamgym.faults.sweep import Stage

NUMBER = 60


@pytest.fixture(scope="session")
def orders():
    return shop.orders(Random(1), NUMBER)


@pytest.fixture(scope="session")
def source(kafka, orders):
    """A topic of two partitions with the orders, keyed by customer."""
    name = topics.create(kafka, 2)
    topics.produce(kafka, name, orders, "customer")
    yield name
    topics.delete(kafka, [name])


@pytest.fixture
def target(kafka):
    name = topics.create(kafka)
    yield name
    topics.delete(kafka, [name])


@pytest.fixture
def stage(kafka, source, orders):
    """Make a fresh stage: a worker is to pass the orders on to a topic of its own."""
    made = []

    def fresh():
        name = topics.create(kafka, 2)
        made.append(name)
        env = {
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "INPUT_TOPIC": source,
            "OUTPUT_TOPIC": name,
            "GROUP_ID": f"{name}-group",
        }

        def judge():
            got = topics.read(kafka, name)
            return {
                "lost": logs.lost(orders, got, "order"),
                "duplicated": logs.duplicated(got, "order"),
            }

        return Stage(env, judge, lambda groups: topics.remove_members(kafka, groups))

    yield fresh
    if made:
        topics.delete(kafka, made)
