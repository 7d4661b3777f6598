import csv
import os
import stat
from pathlib import Path

import pytest

from streamgym.checks.limits import Limits
from streamgym.checks.results import Verdict
from streamgym.errors import StreamgymError
from streamgym.grading import policy
from streamgym.grading.batch import grade_all
from streamgym.grading.gradebook import Gradebook, Row

pytestmark = pytest.mark.usefixtures("course")

LAB = 'from streamgym.lab import Lab\nlab = Lab("01_tiny", student="ada")'
STARTER = [
    LAB,
    "def double(number):\n    raise NotImplementedError",
    "%%worker shout\nraise NotImplementedError",
    "favourite = ...",
]


def by_name(rows: list[Row]) -> dict[str, Row]:
    return {row.student: row for row in rows}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write, solved) -> Path:
    folder = tmp_path_factory.mktemp("submissions")
    write(folder, "ada", solved)
    write(folder, "zoë ü/lab", solved)
    write(folder, "untouched", STARTER)
    wrong = [text.replace("2 * number", "3 * number").replace(".upper()", "") for text in solved]
    write(folder, "wrong", wrong)
    write(folder, "shuffled", [solved[0], *reversed(solved[1:]), solved[1]])
    (folder / "broken.ipynb").write_text("{")
    return folder


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("graded")


@pytest.fixture(scope="module")
def rows(course: Path, folder: Path, out: Path) -> dict[str, Row]:
    return by_name(grade_all([folder], out, jobs=2, progress=False))


@pytest.mark.stack
@pytest.mark.parametrize("name", ["ada", "zoë ü", "shuffled"])
def test_right_answers_earn_full_marks(rows, name: str) -> None:
    assert (rows[name].status, rows[name].score) == ("graded", 6)


@pytest.mark.stack
def test_the_starter_is_not_attempted(rows) -> None:
    assert {str(r.verdict) for r in rows["untouched"].results} == {"not attempted"}
    assert rows["untouched"].score == 0


@pytest.mark.stack
def test_a_wrong_answer_fails_with_evidence(rows) -> None:
    double = rows["wrong"].results[0]
    assert str(double.verdict) == "failed"
    assert double.expectations[0].evidence


@pytest.mark.stack
def test_a_broken_file_has_a_row(rows) -> None:
    assert rows["broken"].status == "ungradable"
    assert "not a notebook" in rows["broken"].reason


@pytest.mark.stack
def test_gradebook_and_feedback_are_written(rows, out: Path) -> None:
    with (out / "gradebook.csv").open(newline="") as file:
        assert [line["student"] for line in csv.DictReader(file)] == sorted(rows)
    assert len(list((out / "feedback").glob("*.html"))) == len(rows)


@pytest.mark.stack
def test_the_seed_is_the_owners_and_in_nothing_that_is_handed_out(rows, out: Path) -> None:
    seed = (out / "seed").read_text()
    assert stat.S_IMODE((out / "seed").stat().st_mode) == 0o600
    handed_out = [out / "gradebook.csv", *(out / "feedback").iterdir()]
    assert not [path for path in handed_out if seed in path.read_text()]


@pytest.mark.stack
def test_resuming_keeps_rows_and_seed_and_grades_the_rest(
    rows, folder: Path, out: Path, write
) -> None:
    seed = (out / "seed").read_text()
    write(folder, "late", STARTER)
    later = by_name(grade_all([folder], out, resume=True, progress=False))
    assert {name: later[name] for name in rows} == rows
    assert later["late"].score == 0
    assert (out / "seed").read_text() == seed
    (folder / "late.ipynb").unlink()


@pytest.mark.stack
def test_a_notebook_that_was_changed_is_graded_again(tmp_path: Path, write) -> None:
    submissions, out = tmp_path / "in", tmp_path / "out"
    write(submissions, "ada", STARTER)
    grade_all([submissions], out, progress=False)
    write(submissions, "ada", [*STARTER[:-1], "favourite = 7"])
    (row,) = grade_all([submissions], out, resume=True, progress=False)
    assert row.score == 1


@pytest.mark.stack
def test_what_a_cell_out_of_time_left_undefined_is_no_mark(tmp_path: Path, write) -> None:
    write(tmp_path, "ada", [LAB, "import time\ntime.sleep(100)\nx = 7", "favourite = x"])
    (row,) = grade_all([tmp_path], tmp_path / "out", limits=Limits(cell=2), progress=False)
    favourite = next(result for result in row.results if result.exercise == "favourite")
    assert favourite.verdict is Verdict.UNGRADABLE
    assert "NameError" in favourite.reason
    assert "above it, the cell did not end within 2 s" in favourite.reason


@pytest.mark.stack
def test_cells_beyond_the_time_of_the_notebook_are_not_run(tmp_path: Path, write) -> None:
    double = "def double(number):\n    return 2 * number"
    write(tmp_path, "ada", [LAB, double, "import time\ntime.sleep(100)", "favourite = 7"])
    (row,) = grade_all([tmp_path], tmp_path / "out", limits=Limits(notebook=6), progress=False)
    results = {result.exercise: result for result in row.results}
    assert results["double"].verdict is Verdict.PASSED
    assert results["favourite"].verdict is Verdict.UNGRADABLE
    assert results["favourite"].reason == "the cell was not run within the notebook's 6 s"


@pytest.mark.stack
def test_without_a_sandbox_every_row_says_so(tmp_path: Path, write) -> None:
    write(tmp_path / "in", "ada", [LAB, "favourite = 7"])
    (row,) = grade_all([tmp_path / "in"], tmp_path / "out", sandbox=False, progress=False)
    assert (row.score, row.sandboxed) == (1, False)
    assert ",no," in (tmp_path / "out" / "gradebook.csv").read_text()
    (page,) = (tmp_path / "out" / "feedback").iterdir()
    assert "without a sandbox" in page.read_text()


def test_no_sandbox_is_refused_in_one_line(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(policy, "sandbox_is_available", lambda: False)
    with pytest.raises(StreamgymError, match="--no-sandbox"):
        grade_all([tmp_path], tmp_path / "out")


def test_no_submission_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StreamgymError, match="no submissions"):
        grade_all([tmp_path], tmp_path / "out")


def test_resuming_with_another_seed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ada.ipynb").write_text("{")
    out = tmp_path / "out"
    grade_all([tmp_path / "ada.ipynb"], out, seed="one", progress=False)
    with pytest.raises(StreamgymError, match="another seed"):
        grade_all([tmp_path / "ada.ipynb"], out, seed="two", resume=True, progress=False)


def test_a_batch_of_broken_files_has_a_row_for_each(tmp_path: Path) -> None:
    for name in ["a", "b", "a b"]:
        (tmp_path / f"{name}.ipynb").write_bytes(os.urandom(1000))
    rows = grade_all([tmp_path, tmp_path / "none.ipynb"], tmp_path / "out", progress=False)
    assert [row.student for row in rows] == ["a", "a b", "b", "none"]
    assert Gradebook(tmp_path / "out").rows() == rows
