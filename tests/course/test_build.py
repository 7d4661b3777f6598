import nbformat
import pytest

from streamgym.checks.labs import lab_names, load_exercises
from streamgym.course import build
from streamgym.course.new import new_lab
from streamgym.course.verify import shortages, verify
from streamgym.errors import StreamgymError


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of its own with one new lab."""
    (tmp_path / "labs").mkdir()
    monkeypatch.setenv("STREAMGYM_COURSE", str(tmp_path))
    load_exercises.cache_clear()
    new_lab("30_orders")
    yield tmp_path
    load_exercises.cache_clear()


def test_notebooks_are_in_step_with_their_sources():
    assert build.stale([]) == []


@pytest.mark.parametrize("lab", lab_names())
def test_notebooks_are_valid_stable_and_without_outputs(lab):
    first, second = build.notebooks(lab), build.notebooks(lab)
    assert first == second
    for path, text in first.items():
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert not any(cell.outputs or cell.execution_count for cell in code)
        assert "BEGIN SOLUTION" not in text
        assert ("raise NotImplementedError" in text) == (path.parts[-3] == "labs")


@pytest.mark.parametrize("lab", lab_names())
def test_every_exercise_has_hints_and_is_checked_in_the_notebook(lab):
    (learner, _) = build.notebooks(lab).values()
    for exercise in load_exercises(lab).values():
        assert exercise.hints
        assert all(len(hint) > 10 for hint in exercise.hints)
        assert f'lab.check(\\"{exercise.name}\\")' in learner


class NoWorld:
    def kafka(self):
        raise AssertionError("no broker is needed here")

    spark = kafka


def test_a_new_lab_builds_and_verifies_as_it_stands(course):
    assert build.stale(["30_orders"]) == []
    outcomes = list(verify(["30_orders"], NoWorld(), seeds=3))
    assert [o.trial.due.split(":")[0] for o in outcomes] == [
        "not attempted",
        "passes",
        "passes",
        "fails",
    ]
    assert not any(o.complaints for o in outcomes)
    assert shortages("30_orders") == []


def test_verify_complains_when_a_grader_does_not_grade(course):
    checks = course / "labs" / "30_orders" / "checks.py"
    checks.write_text(checks.read_text().replace("            counts,\n", "            due,\n"))
    text = checks.read_text().replace(
        "        yield expect(",
        "        due = {name: orders.count(name) for name in set(orders)}\n        yield expect(",
    )
    checks.write_text(text)
    load_exercises.cache_clear()
    complaints = [o.complaints for o in verify(["30_orders"], NoWorld(), seeds=1)]
    assert complaints[-1] == ["seed 0: was passed: "]


def test_verify_complains_about_exercises_without_enough_answers(course):
    answers = course / "solutions" / "30_orders" / "answers.py"
    answers.write_text("")
    assert shortages("30_orders") == [
        "orders_per_customer has fewer than two right answers",
        "orders_per_customer has no wrong answer",
    ]


@pytest.mark.parametrize(
    ("name", "error"), [("orders", "two digits"), ("30_orders", "is there already")]
)
def test_a_name_that_cannot_be_is_a_clear_error(course, name, error):
    with pytest.raises(StreamgymError, match=error):
        new_lab(name)
