from random import Random

import pytest

from streamgym.checks import topics
from streamgym.data import shop
from streamgym.faults.process import Run
from streamgym.faults.sweep import LANE, Point, Trial
from streamgym.faults.trace import Trace
from streamgym.faults.wire import Request
from streamgym.tours.crashes import LOST, RIGHT, TWICE, Books, Ledger, at, points

CLERK = """
from kafka import KafkaProducer

from streamgym.tours.booking import SERVERS, batches, consumer, write

producer = KafkaProducer(bootstrap_servers=SERVERS, linger_ms=500)
for batch in batches():
    {first}
    {then}
"""
WRITE, COMMIT = "write(producer, batch)", "consumer.commit()"


def ledger(*fates, point=None):
    return Ledger("ledger", Trial(point, False, Run(0, ""), {}, Trace()), fates)


def test_it_is_killed_before_its_second_batch_and_after_each_request_of_that():
    trace = Trace()
    for kind in ("InitProducerId", "Produce", "Fetch", "OffsetCommit", "Fetch"):
        trace.add(LANE, Request(b"", kind, durable=kind != "Fetch"))
    for kind in ("Produce", "OffsetCommit", "Produce"):
        trace.add(LANE, Request(b"", kind, durable=True))
    assert points(trace) == [
        Point("before", "Produce", 2),
        Point("after", "Produce", 2),
        Point("after", "OffsetCommit", 2),
    ]


@pytest.mark.parametrize(
    ("fates", "outcome"),
    [
        ([RIGHT, RIGHT], "once"),
        ([RIGHT, LOST], "lost"),
        ([TWICE, TWICE], "twice"),
        ([LOST, TWICE], "both"),
    ],
)
def test_an_outcome_says_what_is_wrong(fates, outcome):
    assert ledger(*fates).outcome == outcome


def test_a_crash_is_found_by_its_point():
    swept = [
        ledger(point=Point("before", "Produce", 2)),
        ledger(point=Point("after", "Produce", 2)),
    ]
    assert at(swept, "after", "Produce") is swept[1]


@pytest.mark.stack
@pytest.mark.parametrize(
    ("first", "then", "point", "outcome"),
    [
        (WRITE, COMMIT, Point("after", "Produce", 2), "twice"),
        (COMMIT, WRITE, Point("after", "OffsetCommit", 2), "lost"),
        (COMMIT, WRITE, None, "once"),
    ],
)
def test_what_the_crash_hits_is_lost_or_there_twice(kafka, first, then, point, outcome):
    orders = shop.orders(Random(3), 30)
    source = topics.create(kafka)
    topics.produce(kafka, source, orders, key="customer")
    left = Books(kafka, source, orders).run(CLERK.format(first=first, then=then), point)
    assert left.outcome == outcome
    assert left.trial.reached is bool(point)
    wrong = [number for number, fate in enumerate(left.fates) if fate != RIGHT]
    assert wrong == (list(range(10, 20)) if point else [])
