import pytest

from streamgym.tours.outage import CircuitBreaker, Open, broken_off, retried


def calls(breaker, *answers):
    """Call once a tenth of a second; return what came of each call."""
    seen = []
    for number, answer in enumerate(answers):
        try:
            seen.append(breaker.call(lambda answer=answer: answer, number / 10))
        except Open:
            seen.append("open")
    return seen


def test_it_opens_after_three_failures_in_a_row_and_tries_after_a_while():
    breaker = CircuitBreaker(failures=3, seconds=0.25)
    seen = calls(breaker, False, False, True, False, False, False, True, True, True, True)
    assert seen == [False, False, True, False, False, False, "open", "open", True, True]
    assert [state for _, state in breaker.changes] == ["open", "half-open", "closed"]


def test_a_failed_try_opens_it_again():
    breaker = CircuitBreaker(failures=1, seconds=0.15)
    assert calls(breaker, False, True, False, True, True) == [False, "open", False, "open", True]
    assert [s for _, s in breaker.changes] == ["open", "half-open", "open", "half-open", "closed"]


@pytest.mark.stack
def test_backoff_spares_the_service_and_everybody_is_served_again():
    eager, patient = retried("at once", clients=2), retried("backoff with jitter", clients=2)
    assert eager.wasted > 5 * patient.wasted
    for seen in (eager, patient, broken_off()):
        assert seen.calls[-1][1]
        assert any(when > 3 for when, served in seen.calls if served)
