import pytest

from streamgym.tours.freshness import Answers, _sawtooth, compare


@pytest.mark.stack
def test_both_programs_end_with_the_right_answer_and_the_batch_reads_more(kafka):
    seen = compare(kafka, per_second=100, seconds=2, every=1)
    assert seen.stream.totals[-1] == seen.batch.totals[-1] == seen.total
    assert seen.stream.read == 200
    assert seen.batch.read > seen.stream.read


def test_an_answer_ages_until_the_next_one():
    times, ages = _sawtooth(Answers(times=[1, 3], ages=[0.5, 0.25]), 4)
    assert (times, ages) == ([1, 3, 3, 4], [0.5, 2.5, 0.25, 1.25])
