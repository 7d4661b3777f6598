from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from streamgym.checks.results import Evidence, Expectation, Result, Verdict
from streamgym.grading import feedback
from streamgym.grading.course import Lateness
from streamgym.grading.gradebook import Remark, Row
from streamgym.grading.marks import Mark

HOSTILE = "<script>alert(1)</script>"


def mark(student: str = "ada", text: str = "plain", answer: str = "") -> Mark:
    evidence = Evidence(text, text, text)
    failed = Expectation("right", False, 5, 2, (evidence,), 1)
    result = Result("double", "Twice", Verdict.FAILED, 1.0, 2.0, (failed,), "Add it.", text)
    row = Row(student, "x.ipynb", "", "01_tiny", "", True, "1234abcd", 1.0, (result,))
    return Mark(replace(row, answers={"double": answer}))


def test_a_page_shows_marks_evidence_hint_and_answer() -> None:
    page = feedback.render(mark(answer="def double(n):\n    return 3 * n"))
    for text in ["<strong>1</strong> of 2", "3 of 5 cases", "Add it.", "return 3 * n", "failed"]:
        assert text in page


def test_nothing_from_a_learner_is_executed() -> None:
    page = feedback.render(mark(HOSTILE, HOSTILE, f"def double(): '{HOSTILE}'"))
    assert "<script" not in page
    assert "default-src 'none'" in page


def test_a_page_names_no_seed() -> None:
    assert "1234abcd" not in feedback.render(mark())


def test_half_a_character_is_written_all_the_same(tmp_path: Path) -> None:
    assert feedback.write(tmp_path, mark(text="\ud800")).exists()


@pytest.mark.parametrize(
    "student",
    [
        "../../etc/passwd",
        "a/b",
        "..",
        ".",
        "",
        "a b",
        "x" * 300,
        "\U00010330" * 100,
        "\x00",
        "$(rm -rf)",
        "CON",
    ],
)
def test_every_file_name_stays_in_the_folder(tmp_path: Path, student: str) -> None:
    path = feedback.write(tmp_path / "pages", mark(student))
    assert path.parent == tmp_path / "pages"
    assert path.resolve().parent == (tmp_path / "pages").resolve()


def test_different_students_have_different_files() -> None:
    students = ["a b", "a_b", "a  b", "a/b", "zoë", "zoe", "A b"]
    students += ["Ada", "ada", "ä" * 300, "ä" * 299]
    assert len({feedback.file_name(s).lower() for s in students}) == len(students)


def test_a_page_says_what_being_late_costs_and_what_people_remarked() -> None:
    due, came = datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 12, 2, 12, tzinfo=UTC)
    remarks = {"double": Remark(1.5, HOSTILE, "Bo"), "": Remark(None, "Well begun.", "Cy")}
    plain = mark()
    late = replace(
        plain,
        row=replace(plain.row, remarks=remarks, note="something odd"),
        late=Lateness(due, came, "file", 2, 20.0),
        counts=False,
        name="Ada Lovelace",
    )
    text = " ".join(BeautifulSoup(feedback.render(late), "html.parser").get_text(" ").split())
    for due_text in [
        *("Ada Lovelace", "handed in 2026-12-02 12:00 UTC", "2 days had begun since 2026-12-01"),
        *("20 % of the points earned, 0.3", "1.2 of 2 count", "1.5 of 2", HOSTILE, "Well begun."),
        *("given by Bo; the grader gave 1", "Please note: something odd", "A later submission"),
    ]:
        assert due_text in text
    assert "<script" not in feedback.render(late)


def test_what_cannot_be_written_whole_leaves_the_old_page(tmp_path: Path) -> None:
    page = feedback.write(tmp_path, mark())
    before = page.read_text()
    page.with_name(f".{page.name}.partial").mkdir()
    with pytest.raises(OSError, match="directory"):
        feedback.write(tmp_path, mark(text="new"))
    assert page.read_text() == before
