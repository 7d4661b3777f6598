from pathlib import Path

import psycopg
import pytest

from streamgym.checks import databases, topics
from streamgym.lab.scripts import workspace
from streamgym.stack.postgres import Postgres
from streamgym.tours import event_relay
from streamgym.tours.event_store import SCHEMA, Snapshot, Store, delays
from streamgym.tours.waiting import wait_until

pytestmark = pytest.mark.stack
SHOWN = "CREATE TABLE shown (account text, version int, at timestamptz DEFAULT clock_timestamp());"


@pytest.fixture(scope="module")
def postgres():
    with Postgres() as server:
        yield server.address


@pytest.fixture
def store(postgres):
    """A store with three events of Ada and one of Ben."""
    store = Store(databases.create(postgres, SCHEMA + SHOWN))
    for version, amount in enumerate((450, 899, 1250), 1):
        store.append("ada", version, "ordered", amount)
    store.append("ben", 1, "ordered", 450)
    yield store
    store.close()
    databases.drop(postgres, store.url)


def versions(events):
    return [event["version"] for event in events]


def test_events_are_given_by_account_and_version(store):
    assert versions(store.events("ada")) == [1, 2, 3]
    assert versions(store.events("ada", after=1, until=2)) == [2]
    assert [store.version(account) for account in ("ada", "ben", "nobody")] == [3, 1, 0]


def test_a_version_is_taken_once_and_the_loser_leaves_nothing(store):
    with pytest.raises(psycopg.errors.UniqueViolation):
        store.append("ada", 3, "redeemed", 50)
    assert [event["type"] for event in store.events("ada")] == ["ordered"] * 3
    store.append("ada", 4, "redeemed", 50)


def test_the_newest_snapshot_that_is_not_too_new_is_given(store):
    for version, points in ((1, 4), (3, 24)):
        store.keep("ada", Snapshot(version, points))
    found = [store.snapshot("ada", until) for until in (0, 2, 3)]
    assert found == [Snapshot(), Snapshot(1, 4), Snapshot(3, 24)]
    assert store.snapshot("ben") == Snapshot()


def test_a_delay_is_from_written_to_shown(store):
    for version in (1, 2):
        databases.run(store.url, "INSERT INTO shown VALUES ('ada', %s)", [(version,)])
    found = delays(store.url, store.url, "ada").dropna()
    assert list(found.index) == [1, 2]
    assert (found["shown"] > found["written"]).all()


def test_the_relay_sends_what_is_not_marked_as_sent_also_when_it_starts_again(store, kafka):
    topic = topics.create(kafka)
    env = {"BROKERS": kafka, "TOPIC": topic, "STORE": store.url}

    def sent():
        return [(r.key, r.value["version"]) for r in topics.records(kafka, topic)]

    def all_is_marked():
        return not databases.rows(store.url, "SELECT FROM events WHERE NOT sent")

    with workspace(Path(event_relay.__file__).read_text()) as place:
        relay = place.start(env)
        wait_until(all_is_marked, "all is sent")
        store.append("ada", 4, "redeemed", 50)
        wait_until(all_is_marked, "the new one is sent")
        relay.kill()
        assert sent() == [("ada", 1), ("ada", 2), ("ada", 3), ("ben", 1), ("ada", 4)]
        databases.run(store.url, "UPDATE events SET sent = false WHERE version = 1", [()])
        place.start(env)
        wait_until(all_is_marked, "all is sent again")
        assert sent()[5:] == [("ada", 1), ("ben", 1)]
    topics.delete(kafka, [topic])
