"""Lab 03's function and choice exercises: each labelled answer gets the verdict that it must."""

import pytest

from streamgym.checks.labs import load_exercises
from streamgym.course.verify import verify

LAB = "03_windowing"
ALONE = [e.name for e in load_exercises(LAB).values() if e.kind in ("function", "choice")]


@pytest.mark.parametrize("name", ALONE)
def test_each_answer_gets_its_verdict(name):
    outcomes = list(verify(LAB, None, seeds=2, only=name))
    assert [o.complaints for o in outcomes] == [[]] * len(outcomes)
    assert {outcome.trial.due.split(":")[0] for outcome in outcomes} == {
        "not attempted",
        "passes",
        "fails",
    }
