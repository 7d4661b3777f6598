"""Replaying flights to a real broker."""

import random

import pytest

from streamgym.checks import topics
from streamgym.data import flights
from streamgym.data.replay import log_times, replay

pytestmark = pytest.mark.stack


@pytest.fixture
def some():
    return flights.draw(random.Random(3)).head(40)


def test_flights_are_replayed_in_the_order_they_became_known(kafka, some):
    assert topics.read(kafka, replay(kafka, some)) == flights.records(some)


def test_a_replay_takes_its_time(kafka, some):
    """The first record may come late, since it waits for the broker; the last one does not."""
    span = some["actual"].iloc[-1] - some["actual"].iloc[0]
    times = log_times(kafka, replay(kafka, some, pace=span))
    assert len(times) == 40
    assert times == sorted(times)
    assert 0.5 < times[-1] - times[0] < 10


def test_flights_of_one_airport_stay_in_order_over_partitions(kafka, some):
    read = topics.read(kafka, replay(kafka, some, partitions=4))
    for airport in set(some["airport"]):
        due = flights.records(some[some["airport"] == airport])
        assert [row for row in read if row["airport"] == airport] == due
