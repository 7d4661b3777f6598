import json
from contextlib import contextmanager

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from streamgym.checks import logs, topics

SENT = [{"order": n, "customer": "ab"[n % 2]} for n in range(6)]


def log(*orders):
    return [{"order": order} for order in orders]


WHOLE = log(*range(6))
HOSTILE = [
    {},
    {"order": None},
    {"order": [1]},
    {"order": {"a": {}}},
    {"order": True},
    {"order": 1.0},
]


# By hand


def test_a_log_that_is_whole_breaks_nothing():
    assert logs.lost(SENT, WHOLE, "order") == []
    assert logs.duplicated(WHOLE, "order") == []
    assert logs.phantom(SENT, WHOLE, "order") == []
    assert logs.reordered(SENT, WHOLE, "order", "customer") == []
    assert logs.aborted_read(WHOLE, log(9), "order") == []
    assert logs.reprocessed(WHOLE, "order", 1) == []


def test_an_empty_log_breaks_nothing_but_what_is_lost():
    assert logs.lost(SENT, [], "order") == [0, 1, 2, 3, 4, 5]
    assert logs.lost([], WHOLE, "order") == []
    assert logs.duplicated([], "order") == []
    assert logs.phantom([], [], "order") == []
    assert logs.reordered(SENT, [], "order", "customer") == []
    assert logs.torn([], "order", "parts") == []
    assert logs.aborted_read([], [], "order") == []
    assert logs.regressions([]) == []
    assert logs.reprocessed([], "order", 1) == []


def test_what_is_lost_doubled_or_made_up_is_named_once_and_in_order():
    got = log(5, 1, 1, 8, 3, 8, 5, 5)
    assert logs.lost(SENT, got, "order") == [0, 2, 4]
    assert logs.duplicated(got, "order") == [5, 1, 8]
    assert logs.phantom(SENT, got, "order") == [8]


def test_order_is_judged_within_a_key():
    assert logs.reordered(SENT, log(1, 3, 5, 0, 2, 4), "order", "customer") == []
    assert logs.reordered(SENT, log(0, 4, 2, 1, 3, 5), "order", "customer") == [4]
    assert logs.reordered(SENT, log(5, 3, 1, 0), "order", "customer") == [5, 3]


def test_repetition_and_loss_are_not_reordering():
    assert logs.reordered(SENT, log(0, 2, 0, 2, 4), "order", "customer") == []
    assert logs.reordered(SENT, log(4, 5), "order", "customer") == []
    assert logs.reordered(SENT, log(7, 0, 9, 2), "order", "customer") == []


def test_the_key_is_the_one_that_was_sent():
    claimed = [{"order": 4, "customer": "z"}, {"order": 2, "customer": "y"}]
    assert logs.reordered(SENT, claimed, "order", "customer") == [4]


def test_a_unit_is_torn_when_fewer_distinct_parts_are_there_than_it_names():
    def parts(order, *numbers, whole=3):
        return [{"order": order, "line": n, "parts": whole} for n in numbers]

    assert logs.torn(parts(1, 0, 1, 2) + parts(2, 2, 0, 1), "order", "parts") == []
    assert logs.torn(parts(1, 0, 1) + parts(2, 0, 1, 2), "order", "parts") == [1]
    assert logs.torn(parts(1, 0, 1, 1), "order", "parts") == [1]
    assert logs.torn(parts(1, 0, whole="three"), "order", "parts") == [1]
    assert logs.torn(parts(1, 0, whole=-1) + parts(2, 0, whole=True), "order", "parts") == [1, 2]


def test_effects_of_aborted_records():
    assert logs.aborted_read(log(1, 2, 3, 2), log(2, 9), "order") == [2]


def test_offsets_go_back_within_a_partition_only():
    assert logs.regressions([(0, 4), (1, 2), (0, 4), (0, 8), (1, 3)]) == []
    assert logs.regressions([(0, 4), (0, 8), (0, 6), (0, 7), (0, 8)]) == [(0, 6), (0, 7)]


def test_how_often_a_record_may_be_handled():
    assert logs.reprocessed(log(1, 1, 2), "order", 2) == []
    assert logs.reprocessed(log(1, 1, 2, 1), "order", 2) == [1]


def test_ids_of_other_types_are_phantoms_and_break_no_function():
    assert len(logs.phantom(SENT, HOSTILE, "order")) == len(HOSTILE)
    assert logs.phantom(SENT, log("1"), "order") == ["1"]
    assert logs.lost(SENT, [*HOSTILE, *WHOLE], "order") == []
    assert logs.lost(SENT, HOSTILE, "order") == [0, 1, 2, 3, 4, 5]
    assert logs.duplicated([*HOSTILE, {}], "order") == ["no order: {}"]
    assert logs.reordered(SENT, [*HOSTILE, *WHOLE], "order", "customer") == []
    assert logs.reordered([*HOSTILE, *SENT], WHOLE, "order", "customer") == []
    assert len(logs.torn(HOSTILE, "order", "parts")) == len(HOSTILE)
    assert logs.aborted_read(HOSTILE, log(1), "order") == []
    assert logs.reprocessed(HOSTILE, "order", 1) == []


def test_a_record_that_is_nested_without_end_is_a_phantom():
    deep: dict = {}
    for _ in range(5000):
        deep = {"order": deep}
    assert logs.phantom(SENT, [deep], "order") == ["no order: (cannot be shown)"]
    assert logs.torn([deep], "order", "parts") == ["no order: (cannot be shown)"]


# On a live topic


@contextmanager
def producer(kafka, **settings):
    client = KafkaProducer(bootstrap_servers=kafka, **settings)
    try:
        yield client
    finally:
        client.close()


@pytest.fixture
def topic(kafka):
    name = topics.create(kafka, 2)
    yield name
    topics.delete(kafka, [name])


def encoded(value):
    return json.dumps(value).encode()


def send(client, topic, *orders, partition=0):
    for order in orders:
        client.send(topic, encoded({"order": order}), partition=partition)
    client.flush()


@pytest.mark.stack
def test_loss_duplicates_and_disorder_on_a_live_topic(kafka, topic):
    with producer(kafka) as client:
        send(client, topic, 0, 4, 2, 2, 9)
        send(client, topic, 1, 3, partition=1)
    got = topics.read(kafka, topic)
    assert logs.lost(SENT, got, "order") == [5]
    assert logs.duplicated(got, "order") == [2]
    assert logs.phantom(SENT, got, "order") == [9]
    assert logs.reordered(SENT, got, "order", "customer") == [4]


@pytest.mark.stack
def test_records_come_with_all_that_a_check_may_ask_for(kafka, topic):
    with producer(kafka) as client:
        client.send(topic, encoded("no dict"), key=b"a", headers=[("error", b"why")], partition=1)
        client.send(topic, encoded(1), partition=1)
    first, second = topics.records(kafka, topic)
    assert first == topics.Record(1, 0, "a", "no dict", {"error": "why"})
    assert (second.offset, second.key, second.value) == (1, None, 1)
    assert topics.read(kafka, topic) == []


@pytest.mark.stack
def test_an_aborted_transaction_shows_to_read_uncommitted_only(kafka, topic):
    with producer(kafka, transactional_id=topic) as client:
        client.init_transactions()
        client.begin_transaction()
        send(client, topic, 0, 1)
        client.abort_transaction()
        client.begin_transaction()
        send(client, topic, 2)
        client.commit_transaction()
    got = topics.read(kafka, topic)
    everything = [r.value for r in topics.records(kafka, topic, "read_uncommitted")]
    aborted = [value for value in everything if value not in got]
    assert (got, aborted) == (log(2), log(0, 1))
    assert logs.aborted_read(got, aborted, "order") == []
    assert logs.aborted_read(everything, aborted, "order") == [0, 1]


@pytest.mark.stack
def test_a_torn_transaction_and_one_left_open(kafka, topic):
    lines = [{"order": 7, "line": n, "parts": 2} for n in range(2)]
    with producer(kafka, transactional_id=topic) as client:
        client.init_transactions()
        client.begin_transaction()
        client.send(topic, encoded(lines[0]), partition=0)
        client.flush()
        assert topics.open_transactions(kafka, topic) == [topic]
        assert topics.read(kafka, topic) == []
        client.commit_transaction()
        assert topics.open_transactions(kafka, topic) == []
        assert logs.torn(topics.read(kafka, topic), "order", "parts") == [7]
        client.begin_transaction()
        client.send(topic, encoded(lines[1]), partition=1)
        client.commit_transaction()
    assert logs.torn(topics.read(kafka, topic), "order", "parts") == []


@pytest.mark.stack
def test_what_was_decided_shows_once_it_has_settled(kafka, topic):
    settings = {"bootstrap_servers": kafka, "isolation_level": "read_committed"}
    reader, partition = KafkaConsumer(**settings), TopicPartition(topic, 0)
    with producer(kafka, transactional_id=topic) as client:
        client.init_transactions()
        for number in range(20):
            client.begin_transaction()
            send(client, topic, number)
            client.commit_transaction()
            topics.settle(kafka, topic)
            readable = reader.end_offsets([partition])[partition]
            assert readable == 2 * (number + 1)  # a record and its marker each
    reader.close()


@pytest.mark.stack
def test_a_committed_offset_that_goes_back(kafka, topic):
    group = f"{topic}-group"
    assert topics.committed(kafka, group) == {}
    assert topics.commits(kafka, group) == []
    consumer = KafkaConsumer(bootstrap_servers=kafka, group_id=group, enable_auto_commit=False)
    partitions = [TopicPartition(topic, number) for number in range(2)]
    consumer.assign(partitions)
    for number, offset in [(0, 4), (1, 2), (0, 8), (0, 6)]:
        consumer.commit({partitions[number]: OffsetAndMetadata(offset, "", -1)})
    consumer.close()
    assert topics.committed(kafka, group) == {(topic, 0): 6, (topic, 1): 2}
    history = topics.commits(kafka, group)
    assert history == [(topic, 0, 4), (topic, 1, 2), (topic, 0, 8), (topic, 0, 6)]
    assert logs.regressions((partition, offset) for _, partition, offset in history) == [(0, 6)]
