"""Function and choice exercises of all labs: each labelled answer gets the verdict that it must."""

import pytest

from streamgym.checks.labs import lab_names, load_exercises
from streamgym.course.verify import shortages, verify
from streamgym.course.world import OwnWorld

ALONE = [
    (lab, exercise.name)
    for lab in lab_names()
    for exercise in load_exercises(lab).values()
    if exercise.kind in ("function", "choice")
]


@pytest.fixture(scope="module")
def world():
    with OwnWorld() as made:
        yield made


@pytest.mark.parametrize(("lab", "name"), ALONE)
def test_each_answer_gets_its_verdict(lab, name, world):
    outcomes = list(verify([lab], world, seeds=1, only=name))
    assert [o.complaints for o in outcomes] == [[]] * len(outcomes)
    assert {outcome.trial.due.split(":")[0] for outcome in outcomes} == {
        "not attempted",
        "passes",
        "fails",
    }


@pytest.mark.parametrize("lab", lab_names())
def test_every_exercise_has_right_and_wrong_answers(lab):
    assert shortages(lab) == []
