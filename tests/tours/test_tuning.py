import pytest

from streamgym.tours import orders, tuning

EVENTS = orders.history(seed=2, scale=0.05)


@pytest.mark.stack
def test_one_by_one_takes_a_request_each_and_more_bytes_than_a_batch(kafka):
    single = tuning.send(kafka, EVENTS, batch_num_messages=1)
    batched = tuning.send(kafka, EVENTS, linger_ms=500)
    packed = tuning.send(kafka, EVENTS, linger_ms=500, compression_type="zstd")
    assert single.requests == len(single.latencies) == len(EVENTS)
    assert batched.requests < single.requests / 10
    assert packed.stored < batched.stored < single.stored
    assert list(tuning.table({"single": single})["requests"]) == [len(EVENTS)]


@pytest.mark.stack
def test_each_record_that_trickles_in_has_an_age(kafka):
    ages = tuning.received(kafka, EVENTS[:20], every=0.005, fetch_min_bytes=1)
    assert len(ages) == 20


def test_paced_records_are_all_there_in_their_order():
    pauses = []
    assert list(tuning.paced(EVENTS[:5], 0.0, pauses.append)) == EVENTS[:5]
    assert pauses == [0] * 5
