"""Labs are found by the form of their folders, wherever the course lies."""

import pytest

from streamgym.checks import labs
from streamgym.errors import StreamgymError

CHECKS = """
from streamgym.checks import Case, Expectations, Function, exercise


@exercise(title="Last in the alphabet, first in the file", points=1, hints=[])
def zebra(answer: Function, case: Case) -> Expectations:
    yield from ()


@exercise(title="Second", points=1, hints=[])
def ant(answer: Function, case: Case) -> Expectations:
    yield from ()
"""


@pytest.fixture
def course(tmp_path, monkeypatch):
    root = tmp_path / "course"
    for name in ("02_later", "01_first", "drafts", "1_short", "03_Capitals"):
        (root / "labs" / name).mkdir(parents=True)
        (root / "labs" / name / "checks.py").write_text(CHECKS)
    (root / "labs" / "04_without_checks").mkdir()
    monkeypatch.setenv("STREAMGYM_COURSE", str(root))
    labs.load_exercises.cache_clear()
    yield root
    labs.load_exercises.cache_clear()


def test_only_folders_of_the_form_are_labs_and_they_are_in_order(course):
    assert labs.lab_names() == ["01_first", "02_later"]


def test_exercises_are_in_the_order_of_the_file(course):
    assert list(labs.load_exercises("01_first")) == ["zebra", "ant"]


@pytest.mark.parametrize("name", ["drafts", "04_without_checks", "05_none"])
def test_what_is_no_lab_names_those_that_are(course, name):
    with pytest.raises(StreamgymError, match=r"choose one of 01_first, 02_later$"):
        labs.load_exercises(name)


def test_the_course_is_found_from_a_folder_inside_it(course, monkeypatch):
    monkeypatch.delenv("STREAMGYM_COURSE")
    monkeypatch.chdir(course / "labs" / "01_first")
    assert labs.course_root() == course
