"""Verification finds every way in which a lab's checks and answers can disagree."""

import pytest

from streamgym.course.build import build, notebooks, stale
from streamgym.course.verify import shortages, verify


def complaints(only=""):
    """Return the first complaint about each answer, by exercise and answer."""
    return {
        f"{outcome.trial.exercise.name}: {outcome.trial.name}": outcome.complaints[0]
        for outcome in verify(["01_tiny"], None, seeds=2, only=only)
        if outcome.complaints
    }


def test_a_sound_lab_gives_no_complaint(tiny):
    outcomes = list(verify(["01_tiny"], None, seeds=3))
    assert [(o.trial.exercise.name, o.trial.name, o.trial.due) for o in outcomes] == [
        ("double", "the starter", "not attempted"),
        ("double", "the reference", "passes"),
        ("double", "by_adding", "passes"),
        ("double", "squared", "fails: above zero, hint 2"),
        ("double", "absolute", "fails: below zero, hint 3"),
        ("yours", "the starter", "not attempted"),
        ("yours", "the reference", "passes"),
        ("yours", "from_the_task", "passes"),
        ("yours", "fixed", "fails: your number, hint 1"),
    ]
    assert all((o.seeds, o.complaints) == (3, []) for o in outcomes)
    assert shortages("01_tiny") == []


def test_one_exercise_can_be_verified_alone(tiny):
    assert {o.trial.exercise.name for o in verify(["01_tiny"], None, 1, "yours")} == {"yours"}


def test_a_wrong_answer_that_is_not_caught(tiny):
    tiny.change(tiny.checks, "-2 * number, hint=3", "below, hint=3")
    assert complaints() == {"double: absolute": "seed 0: was passed: "}


def test_a_wrong_answer_that_fails_elsewhere(tiny):
    tiny.change(tiny.answers, 'fails="below zero"', 'fails="above zero"')
    assert complaints() == {
        "double: absolute": "seed 0: did not fail at 'above zero' but at ['below zero']"
    }


def test_a_wrong_answer_that_earns_another_hint(tiny):
    tiny.change(tiny.checks, "mistakes={2:", "mistakes={3:")
    assert complaints() == {"double: squared": "seed 0: earned hint 3, not 2"}


def test_a_right_answer_that_is_refused(tiny):
    tiny.change(tiny.checks, "equals=2 * number,", "equals=2 * number + 1,")
    found = complaints("double")
    assert set(found) == {"double: the reference", "double: by_adding"}
    assert "was failed: above zero" in found["double: by_adding"]
    assert "expected=" in found["double: by_adding"]


def test_a_starter_that_is_an_answer(tiny):
    tiny.change(tiny.source, "# STARTER yours = ...", "# STARTER yours = 1")
    assert complaints() == {"yours: the starter": "seed 0: was failed"}


def test_a_check_that_breaks(tiny):
    tiny.change(tiny.checks, "number**2}", "number / 0}")
    found = complaints("double")
    assert "ungradable: the check could not be run: ZeroDivisionError" in found["double: squared"]


def test_too_few_answers(tiny):
    tiny.change(tiny.answers, "@right(yours)\n", "")
    assert shortages("01_tiny") == ["yours has fewer than two right answers"]


# The notebooks of the same lab


def test_notebooks_are_stale_until_they_are_built_and_when_the_source_changes(tiny):
    assert stale([]) == list(notebooks("01_tiny"))
    assert list(build([])) == list(notebooks("01_tiny"))
    assert stale([]) == []
    assert list(build([])) == []
    tiny.change(tiny.source, "# # Tiny", "# # Small")
    assert stale([]) == list(notebooks("01_tiny"))


@pytest.mark.parametrize("which", [0, 1])
def test_an_edited_notebook_is_stale(tiny, which):
    list(build([]))
    path = list(notebooks("01_tiny"))[which]
    path.write_text(path.read_text().replace("Tiny", "Edited"))
    assert stale(["01_tiny"]) == [path]


def test_cells_keep_their_ids_when_another_one_changes(tiny):
    def ids():
        import nbformat

        text = next(iter(notebooks("01_tiny").values()))
        return [cell.id for cell in nbformat.reads(text, as_version=4).cells]

    before = ids()
    tiny.change(tiny.source, "import math", "import math  # for floor")
    assert ids() == before
    assert len(set(before)) == len(before)
