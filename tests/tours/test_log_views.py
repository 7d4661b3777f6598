import pytest

from streamgym.checks import topics
from streamgym.tours.log_views import project


@pytest.fixture
def log(kafka):
    """A topic of 120 events, more than a batch."""
    topic = topics.create(kafka)
    topics.produce(kafka, topic, [{"event": n} for n in range(120)], key="")
    yield topic
    topics.delete(kafka, [topic])


@pytest.mark.stack
def test_each_group_gets_all_events_once_and_a_new_one_begins_at_the_start(log, kafka):
    for group in ("old", "new"):
        applied, told = [], []
        assert project(kafka, log, f"{log}-{group}", applied.append, told.append) == 120
        assert [event["event"] for event in applied] == list(range(120))
        assert told == sorted(told)
        assert told[-1] == 120
    assert project(kafka, log, f"{log}-old", applied.append) == 0


@pytest.mark.stack
def test_who_begins_after_events_expired_gets_the_rest_without_an_error(log, kafka):
    topics.delete_records(kafka, log, {0: 70})
    applied = []
    assert project(kafka, log, f"{log}-late", applied.append) == 50
    assert applied[0] == {"event": 70}
