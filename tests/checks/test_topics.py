import pytest

from streamgym.checks import Case, topics

pytestmark = pytest.mark.stack


class World:
    def __init__(self, kafka):
        self.kafka = lambda: kafka


def test_records_come_back_in_order_and_keyed(kafka):
    with Case(1, World(kafka)) as case:
        rows = [{"airport": "JFK" if n % 3 else "EWR", "n": n} for n in range(50)]
        topic = case.topic(rows, key="airport", partitions=4)
        read = case.read(topic)
        for airport in ("JFK", "EWR"):
            due = [row for row in rows if row["airport"] == airport]
            assert [row for row in read if row["airport"] == airport] == due
        assert case.read(case.topic()) == []


def test_aborted_records_and_what_is_not_json_are_no_records(kafka):
    from kafka import KafkaProducer

    topic = topics.create(kafka)
    producer = KafkaProducer(bootstrap_servers=kafka, transactional_id="test")
    producer.init_transactions()
    for outcome in (producer.abort_transaction, producer.commit_transaction):
        producer.begin_transaction()
        producer.send(topic, outcome.__name__.encode())
        producer.flush()
        outcome()
    producer.close()
    assert topics.read(kafka, topic) == [{"not JSON": "b'commit_transaction'"}]
    topics.delete(kafka, [topic])


def test_a_topic_that_ends_in_aborted_records_is_read_to_its_end_at_once(kafka):
    from kafka import KafkaProducer

    topic = topics.create(kafka)
    producer = KafkaProducer(bootstrap_servers=kafka, transactional_id="test-of-the-end")
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(topic, b"{}")
    producer.flush()
    producer.abort_transaction()
    producer.close()
    assert topics.read(kafka, topic) == []
    topics.delete(kafka, [topic])


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_what_a_learner_compressed_is_read(kafka, codec):
    from kafka import KafkaProducer

    topic = topics.create(kafka)
    producer = KafkaProducer(bootstrap_servers=kafka, compression_type=codec, linger_ms=50)
    for number in range(20):
        producer.send(topic, b'{"n": %d}' % number)
    producer.close()
    assert topics.read(kafka, topic) == [{"n": n} for n in range(20)]
    topics.delete(kafka, [topic])
