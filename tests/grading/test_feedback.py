from pathlib import Path

import pytest

from streamgym.checks.results import Evidence, Expectation, Result, Verdict
from streamgym.grading import feedback
from streamgym.grading.gradebook import Row

HOSTILE = "<script>alert(1)</script>"


def row(student: str = "ada", text: str = "plain") -> Row:
    evidence = Evidence(text, text, text)
    failed = Expectation("right", False, 5, 2, (evidence,), 1)
    result = Result("double", "Twice", Verdict.FAILED, 1.0, 2.0, (failed,), "Add it.", text)
    return Row(student, "x.ipynb", "", "01_tiny", "", True, "1234abcd", 1.0, (result,))


def test_a_page_shows_marks_evidence_hint_and_answer() -> None:
    page = feedback.render(row(), ["x = 1", "def double(n):\n    return 3 * n"])
    for text in ["<strong>1</strong> of 2", "3 of 5 cases", "Add it.", "return 3 * n", "failed"]:
        assert text in page
    assert "x = 1" not in page


def test_nothing_from_a_learner_is_executed() -> None:
    page = feedback.render(row(HOSTILE, HOSTILE), [f"def double(): '{HOSTILE}'"])
    assert "<script" not in page
    assert "default-src 'none'" in page


def test_a_page_names_no_seed() -> None:
    assert "1234abcd" not in feedback.render(row(), [])


def test_half_a_character_is_written_all_the_same(tmp_path: Path) -> None:
    assert feedback.write(tmp_path, row(text="\ud800"), []).exists()


@pytest.mark.parametrize(
    "student",
    ["../../etc/passwd", "a/b", "..", ".", "", "a b", "x" * 300, "\x00", "$(rm -rf)", "CON"],
)
def test_every_file_name_stays_in_the_folder(tmp_path: Path, student: str) -> None:
    path = feedback.write(tmp_path / "pages", row(student), [])
    assert path.parent == tmp_path / "pages"
    assert path.resolve().parent == (tmp_path / "pages").resolve()


def test_different_students_have_different_files() -> None:
    students = ["a b", "a_b", "a  b", "a/b", "zoë", "zoe", "A b"]
    assert len({feedback.file_name(s) for s in students}) == len(students)
