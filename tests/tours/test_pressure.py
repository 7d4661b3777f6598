import pytest

from streamgym.checks import topics
from streamgym.tours import pressure

RECORDS, BOUND = 400, 20


@pytest.fixture
def topic(kafka):
    name = topics.create(kafka)
    topics.produce(kafka, name, [{"order": n} for n in range(RECORDS)], key="")
    yield name
    topics.delete(kafka, [name])


def hold_back(consumer, waiting):
    if waiting.qsize() >= BOUND:
        consumer.pause(*consumer.assignment())
    else:
        consumer.resume(*consumer.paused())


@pytest.mark.stack
def test_no_more_than_the_bound_and_a_poll_wait_in_memory(topic, kafka):
    looks = pressure.run(kafka, topic, hold_back)
    assert looks["topic"].iloc[0] == RECORDS
    assert looks["memory"].max() < BOUND + 100  # max_poll_records
    assert ((looks["memory"] + looks["topic"]) <= RECORDS).all()
