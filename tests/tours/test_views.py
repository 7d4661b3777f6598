import pytest

from streamgym.checks import topics
from streamgym.tours.views import View, ask


def when_it_is_there(view, offset):
    view.wait_for(offset)
    return view.cents


@pytest.mark.stack
def test_a_view_is_right_in_the_end_and_who_waits_sees_the_own_payment(kafka):
    topic = topics.create(kafka)
    with View(kafka, topic) as view:
        hasty = ask(kafka, topic, view, lambda view, _: view.cents, payers=5)
        view.wait_for(4)
        assert view.cents == hasty[-1].due == 500
        patient = ask(kafka, topic, view, when_it_is_there, payers=2)
    assert [(answer.told, answer.due) for answer in patient] == [(600, 600), (700, 700)]
    assert all(answer.told <= answer.due for answer in hasty)
