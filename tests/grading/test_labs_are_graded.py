"""Each lab's solved notebook earns full marks in the sandbox; the learner's, as it is, nothing."""

import shutil

import pytest

from streamgym.checks.labs import course_root, lab_names
from streamgym.checks.results import Verdict
from streamgym.grading.batch import grade_all

LABS = [lab for lab in lab_names() if lab != "03_windowing"]  # the samples are of that one


@pytest.mark.stack
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("lab", LABS)
def test_a_solved_and_an_untouched_notebook(lab, tmp_path):
    for student, folder in (("sol", "solutions"), ("untouched", "labs")):
        shutil.copy(course_root() / folder / lab / "lab.ipynb", tmp_path / f"{student}.ipynb")
    rows = grade_all([tmp_path], tmp_path / "out", jobs=2, progress=False)
    solved, untouched = sorted(rows, key=lambda row: row.student)
    assert [r for r in solved.results if r.verdict is not Verdict.PASSED] == []
    assert solved.score == solved.max_score > 0
    assert {r.verdict for r in untouched.results} == {Verdict.NOT_ATTEMPTED}
    assert untouched.score == 0
