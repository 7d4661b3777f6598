import pytest

from streamgym.checks.topics import Record
from streamgym.tours import clinic, tools
from streamgym.tours.clinic import (
    BEFORE,
    GONE,
    HOT,
    NOBODY,
    OPEN,
    SLOW,
    UNREADABLE,
    WAITING,
    Findings,
    Partition,
)


def partition(number=0, begin=0, committed=2, stable=4, end=4):
    return Partition(number, begin, committed, stable, end)


def records(*keys, value=None):
    return [Record(0, at, key, value or {"order": at}, {}) for at, key in enumerate(keys)]


MANY_KEYS = records("a", "b", "c", "d")
BAD = [*MANY_KEYS[:2], Record(0, 2, "c", {"not JSON": "b'4711;'"}, {}), MANY_KEYS[3]]


@pytest.mark.parametrize(
    ("found", "illness"),
    [
        (Findings([partition()], 1, MANY_KEYS), SLOW),
        (Findings([partition()], 0, MANY_KEYS), NOBODY),
        (Findings([partition(begin=3)], 0, MANY_KEYS[3:]), GONE),
        (Findings([partition(begin=2)], 0, MANY_KEYS[2:]), NOBODY),
        (Findings([partition(), partition(1, stable=3)], 1, MANY_KEYS), OPEN),
        (Findings([partition()], 1, BAD), UNREADABLE),
        (Findings([partition(committed=1)], 1, BAD), SLOW),
        (Findings([partition(1)], 1, BAD), SLOW),
        (Findings([partition()], 1, records("a", "a", "a", "b")), HOT),
        (Findings([partition()], 1, records("a", "a", "b", "b")), SLOW),
        (Findings([partition(0, 0, 0, 0, 0)], 1, []), SLOW),
    ],
)
def test_an_illness_is_read_off_the_offsets_the_members_and_the_records(found, illness):
    assert found.illness == illness


def test_lag_is_what_was_not_committed_even_if_it_is_gone():
    found = Findings([partition(), partition(1, begin=3, committed=1)], 0, [])
    assert found.lag == 5
    assert found.worst.number == 1


@pytest.fixture(scope="module")
def ward(kafka):
    pipelines = clinic.admit(kafka)
    yield pipelines
    clinic.close(pipelines)


@pytest.fixture(scope="module")
def found(ward):
    return clinic.examine(ward)


ILLNESSES = {"billing": HOT, "fraud": OPEN, "loyalty": GONE, "mail": NOBODY, "packing": UNREADABLE}


@pytest.mark.stack
@pytest.mark.parametrize(("name", "illness"), ILLNESSES.items())
def test_each_pipeline_has_its_own_illness(found, name, illness):
    assert found[name].illness == illness


@pytest.mark.stack
@pytest.mark.parametrize("name", ["fraud", "loyalty", "mail", "packing"])
def test_all_have_the_same_lag(found, name):
    assert found[name].lag == WAITING


@pytest.mark.stack
def test_who_is_started_again_handles_all_that_is_still_there(ward, found):
    gone = sum(max(0, p.begin - p.committed) for p in found["loyalty"].partitions)
    for name, missing in (("mail", 0), ("loyalty", gone)):
        ward[name].start()
        ward[name].settle()
        assert len(ward[name].handled()) == BEFORE + WAITING - missing
    assert 0 < gone < WAITING


@pytest.mark.stack
def test_what_stands_behind_a_bad_record_is_handled_once_it_is_passed_by(kafka, ward, found):
    packing, at = ward["packing"], found["packing"].worst
    packing.stop()
    tools.run(
        kafka,
        f"kafka-consumer-groups --group {packing.topic} --topic {packing.topic}:{at.number} "
        "--reset-offsets --shift-by 1 --execute",
    )
    packing.start()
    packing.settle()
    assert packing.handled() == {order["order"] for order in packing.orders}


@pytest.mark.stack
def test_what_stands_behind_a_transaction_is_handled_once_that_is_aborted(kafka, ward, found):
    fraud, at = ward["fraud"], found["fraud"].worst
    abort = "kafka-transactions abort --topic {} --partition {} --start-offset {}"
    tools.run(kafka, abort.format(fraud.topic, at.number, at.stable))
    fraud.place(30)
    fraud.settle()
    assert fraud.handled() == {order["order"] for order in fraud.orders}


@pytest.mark.stack
def test_orders_under_other_keys_pass_the_hot_one_by(ward, found):
    billing, at = ward["billing"], found["billing"].worst
    where = billing.place(60, key="order", customer="reseller")
    billing.settle(but=at.number)
    new = {order["order"] for order in billing.orders[-60:]}
    assert len(new & billing.handled()) >= 60 - where.count(at.number) > 30
