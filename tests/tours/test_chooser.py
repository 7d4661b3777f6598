import itertools

import pytest

from streamgym.tours.chooser import CIRCUMSTANCES, WAYS, advise, show

FRAUD = {
    "freshness": "below a second",
    "action": "a machine acts at once",
    "input": "event by event",
    "history": "the last minutes or hours",
    "wrong": "little; it is corrected",
    "team": "people on call",
}


def every_task():
    names = [each.name for each in CIRCUMSTANCES]
    for answers in itertools.product(*(each.answers for each in CIRCUMSTANCES)):
        yield dict(zip(names, answers, strict=True))


def test_each_way_is_advised_for_some_task():
    assert {advise(task).way for task in every_task()} == set(WAYS)


def test_a_batch_is_never_advised_where_a_second_is_too_late():
    for task in every_task():
        if task["freshness"] == "below a second":
            assert advise(task).way != "batch"


def test_reasons_and_objections_are_told():
    advice = advise({**FRAUD, "team": "nobody until the morning"})
    assert advice.way == "stream"
    assert "How old may the answer be? below a second" in advice.reasons
    assert advice.objections == ("Who is there when it breaks at night? nobody until the morning",)
    assert "against it" in show(advice)


def test_what_counts_twice_can_turn_the_advice():
    turned = [
        task
        for task in every_task()
        for name in task
        if advise(task).way != advise(task, heavier=[name]).way
    ]
    assert turned


def test_an_unknown_answer_is_refused():
    with pytest.raises(KeyError):
        advise({**FRAUD, "freshness": "soon"})
