"""Each lab's solved notebook earns full marks in the sandbox; the learner's, as it is, nothing."""

import shutil

import pytest

from streamgym.checks.labs import course_root, lab_names
from streamgym.checks.results import Verdict
from streamgym.grading.batch import grade_all

LABS = [lab for lab in lab_names() if lab != "03_windowing"]  # the samples are of that one
pytestmark = [pytest.mark.stack, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """The rows of all notebooks, by lab and by what was done to it; graded two at a time."""
    folder, out = tmp_path_factory.mktemp("submissions"), tmp_path_factory.mktemp("grades")
    for lab in LABS:
        for done, source in (("solved", "solutions"), ("untouched", "labs")):
            shutil.copy(course_root() / source / lab / "lab.ipynb", folder / f"{done} {lab}.ipynb")
    return {row.student: row for row in grade_all([folder], out, jobs=2, progress=False)}


@pytest.mark.parametrize("lab", LABS)
def test_a_solved_notebook_has_full_marks(lab, rows):
    row = rows[f"solved {lab}"]
    assert [r for r in row.results if r.verdict is not Verdict.PASSED] == []
    assert row.score == row.max_score > 0


@pytest.mark.parametrize("lab", LABS)
def test_an_untouched_notebook_is_not_attempted(lab, rows):
    row = rows[f"untouched {lab}"]
    assert {r.verdict for r in row.results} == {Verdict.NOT_ATTEMPTED}
    assert row.score == 0
