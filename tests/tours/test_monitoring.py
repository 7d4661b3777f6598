from dataclasses import replace

import pytest
from kafka import KafkaConsumer
from prometheus_client import CollectorRegistry, Counter, start_http_server

from streamgym.checks import topics
from streamgym.tours import burst
from streamgym.tours.monitoring import BAD, OUT, Sample, Watch, page, quality, rate, scrape
from streamgym.workers import at_end

ZERO = Sample(seconds=0.0, lag=(0, 0), written=0, read=0, valid=0, invalid=0, up=1)


@pytest.fixture
def exported():
    """Orders, a counter by result, and the address where it is exported."""
    registry = CollectorRegistry()
    orders = Counter("orders", "handled", ["result"], registry=registry)
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    yield orders, f"http://127.0.0.1:{server.server_port}/metrics"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_counter_is_scraped_by_name_and_label(exported):
    orders, url = exported
    orders.labels("valid").inc(3)
    orders.labels("invalid").inc()
    found = scrape(url)
    assert (found["orders_total{valid}"], found["orders_total{invalid}"]) == (3, 1)


def test_quality_is_that_of_the_newest_records():
    counts = [(0, 0), (100, 0), (100, 50), (100, 50), (130, 60)]
    samples = [replace(ZERO, seconds=n, valid=v, invalid=i) for n, (v, i) in enumerate(counts)]
    assert quality(samples) == [100, 100, 0, 0, 75]


def test_a_rate_is_what_came_a_second():
    samples = [replace(ZERO, seconds=at, read=read) for at, read in ((0, 0), (2, 10), (2.5, 30))]
    assert rate(samples, lambda sample: sample.read) == [0, 5, 40]


def test_the_dashboard_alerts_on_the_sum_of_all_partitions():
    assert BAD not in page([replace(ZERO, lag=(5_000, 5_000))])
    assert BAD in page([replace(ZERO, lag=(5_000, 5_001))])
    assert OUT in page([ZERO])


@pytest.mark.stack
def test_lag_is_seen_from_outside_and_a_dead_consumer_is_not_up(kafka, exported):
    orders, url = exported
    topic = topics.create(kafka, partitions=2)
    watch = Watch(kafka, topic, f"group-of-{topic}", [url], every=0.05).start()
    try:
        burst.write(kafka, topic, range(10), partitions=2)
        waiting = watch.wait(lambda now: now.written == 10, "ten are written")
        assert (waiting.lag, waiting.read, waiting.up) == ((5, 5), 0, 1)

        orders.labels("valid").inc(10)
        read_all(kafka, topic, watch.group)
        done = watch.caught_up(10)
        assert (done.read, done.valid, done.invalid) == (10, 10, 0)

        watch.targets[:] = ["http://127.0.0.1:1/metrics"]
        gone = watch.wait(lambda now: now.up == 0, "nobody answers")
        assert gone.valid == 10
    finally:
        watch.stop()


def read_all(kafka, topic, group):
    consumer = KafkaConsumer(
        topic, bootstrap_servers=kafka, group_id=group, auto_offset_reset="earliest"
    )
    while not at_end(consumer):
        consumer.poll(timeout_ms=200)
    consumer.commit()
    consumer.close()
