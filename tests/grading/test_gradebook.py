import csv
from pathlib import Path

import pytest

from streamgym.checks.results import Evidence, Expectation, Result, Verdict
from streamgym.grading import exports
from streamgym.grading.course import Course
from streamgym.grading.gradebook import Gradebook, Row, Status
from streamgym.grading.marks import marks


def result(name: str, verdict: Verdict, points: float = 0.0) -> Result:
    wrong = Expectation("right", False, 2, 1, (Evidence("1", "2", "3"),), 1)
    return Result(name, name.title(), verdict, points, 2.0, (wrong,), "a hint")


def row(student: str, *results: Result, reason: str = "") -> Row:
    return Row(student, f"{student}.ipynb", "abc", "01_tiny", reason, True, "1234", 1.5, results)


@pytest.fixture
def book(tmp_path: Path) -> Gradebook:
    return Gradebook(tmp_path)


def lines(book: Gradebook, folder: Path) -> list[dict[str, str]]:
    given = exports.gradebook(marks(book.rows(), Course()))
    with exports.write(folder / "gradebook.csv", given).open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_come_back_as_they_went_in(book: Gradebook) -> None:
    rows = [row("zoë", result("f", Verdict.FAILED, 1.0)), row("ada", reason="broken")]
    for each in rows:
        book.add(each)
    assert book.rows() == rows[::-1]


def test_a_later_row_replaces_an_earlier_one(book: Gradebook) -> None:
    book.add(row("ada", reason="broken"))
    book.add(row("ada", result("f", Verdict.PASSED, 2.0)))
    assert [r.score for r in book.rows()] == [2.0]


def test_the_status_tells_a_missing_mark_from_a_bad_one() -> None:
    failed, lost = result("f", Verdict.FAILED), result("g", Verdict.UNGRADABLE)
    assert row("a", failed).status is Status.GRADED
    assert row("a", failed, lost).status is Status.INCOMPLETE
    assert row("a", lost).status is Status.UNGRADABLE
    assert row("a", reason="broken").status is Status.UNGRADABLE


def test_the_csv_has_a_row_for_everyone(book: Gradebook, tmp_path: Path) -> None:
    book.add(row("ada", result("f", Verdict.PASSED, 2.0), result("g", Verdict.UNGRADABLE)))
    book.add(row("bob", reason="it is not a notebook"))
    ada, bob = lines(book, tmp_path)
    assert (ada["status"], ada["score"], ada["max"], ada["sandbox"]) == (
        "incomplete",
        "2",
        "4",
        "yes",
    )
    assert (ada["f verdict"], ada["f points"]) == ("passed", "2")
    assert (ada["g verdict"], ada["g points"]) == ("ungradable", "")
    assert (bob["status"], bob["score"], bob["reason"]) == (
        "ungradable",
        "",
        "it is not a notebook",
    )


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_no_name_is_a_formula(book: Gradebook, name: str, tmp_path: Path) -> None:
    book.add(row(name))
    assert lines(book, tmp_path)[0]["student"] == f"'{name}"


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    texts = []
    for order in (["a", "b"], ["b", "a"]):
        folder = tmp_path / order[0]
        folder.mkdir()
        book = Gradebook(folder)
        for name in order:
            book.add(row(name, result("f", Verdict.PASSED, 2.0)))
        lines(book, folder)
        texts.append((folder / "gradebook.csv").read_bytes())
    assert texts[0] == texts[1]
