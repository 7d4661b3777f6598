"""What people remark survives, and whatever happened to a mark is on record."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from streamgym.checks.results import Verdict
from streamgym.errors import StreamgymError
from streamgym.grading.gradebook import Gradebook, Remark
from streamgym.grading.remarks import changed

from .rows import result, row

FAILED = result("f", 0.5, Verdict.FAILED)


@pytest.fixture
def book(tmp_path: Path) -> Gradebook:
    made = Gradebook(tmp_path)
    made.add(row("ada", result("e"), FAILED))
    return made


def test_a_regrade_replaces_one_result_and_keeps_the_older_one(book, tmp_path: Path) -> None:
    (before,) = book.rows()
    mended = result("f", 2.0)
    book.regraded(before, mended, "the check was mended")
    (after,) = book.rows()
    assert after == replace(before, results=(before.results[0], mended))
    graded, regraded = [e for e in book.history("ada") if e.exercise == "f"]
    assert (graded.kind, graded.points, graded.by) == ("graded", 0.5, "streamgym")
    assert json.loads(graded.result)["verdict"] == "failed"
    assert (regraded.kind, regraded.points, regraded.text) == (
        "regraded",
        2.0,
        "the check was mended",
    )


def test_a_regrade_without_a_mark_replaces_no_mark(book) -> None:
    (before,) = book.rows()
    book.regraded(before, result("f", 0, Verdict.UNGRADABLE), "again")
    assert book.rows() == [before]
    assert [e.kind for e in book.history() if e.exercise == "f"] == ["graded", "kept"]


def test_a_regrade_gives_a_mark_where_there_was_none(book) -> None:
    book.add(row("ben", result("f", 0, Verdict.UNGRADABLE)))
    ben = book.rows()[1]
    book.regraded(ben, FAILED, "")
    assert book.rows()[1].score == 0.5


def test_a_remark_survives_a_regrade_and_a_whole_new_grading(book) -> None:
    (ada,) = book.rows()
    remark = Remark(1.5, "Nearly right.", "Bo")
    book.remark(ada, "f", remark)
    book.regraded(ada, result("f", 1.0, Verdict.FAILED), "")
    assert book.rows()[0].score == 3.5
    book.clear()
    book.add(row("ada", result("e"), FAILED))
    (again,) = book.rows()
    assert (again.remarks, again.score) == ({"f": remark}, 3.5)
    kinds = [(e.kind, e.points, e.by) for e in book.history("ada") if e.exercise == "f"]
    assert kinds == [
        ("graded", 0.5, "streamgym"),
        ("remark", 1.5, "Bo"),
        ("regraded", 1.0, "streamgym"),
        ("graded", 0.5, "streamgym"),
    ]


def test_a_remark_can_be_taken_back_and_stays_on_record(book) -> None:
    (ada,) = book.rows()
    book.remark(ada, "f", Remark(1.5, "", "Bo"))
    book.remark(ada, "f", Remark(None, "", "Cy"))
    assert (book.rows()[0].remarks, book.rows()[0].score) == ({}, 2.5)
    assert [e.by for e in book.history() if e.kind == "remark"] == ["Bo", "Cy"]


@pytest.mark.parametrize("statement", ["delete from history", "update history set points = 99"])
def test_the_history_is_only_added_to(book, tmp_path: Path, statement: str) -> None:
    with (
        closing(sqlite3.connect(tmp_path / "results.sqlite")) as database,
        pytest.raises(sqlite3.IntegrityError, match="only added to"),
    ):
        database.execute(statement)
    assert len(book.history()) == 2


def test_half_a_character_can_be_told(book) -> None:
    (ada,) = book.rows()
    book.regraded(ada, replace(result("f", 0, Verdict.UNGRADABLE), reason="\ud800"), "")
    assert book.history()[-1].text == "?"


def remarked(**said: object) -> Remark:
    before = row("ada", remarks={"double": Remark(1.0, "So so.", "Bo")})
    given = {"text": None, "points": None, "without_points": False, "by": "Cy", **said}
    return changed(before, "double", **given)


def test_what_is_not_said_anew_stays() -> None:
    assert remarked(text="Well.") == Remark(1.0, "Well.", "Cy")
    assert remarked(points=2.0) == Remark(2.0, "So so.", "Cy")
    assert remarked(without_points=True) == Remark(None, "So so.", "Cy")
    assert remarked(text="") == Remark(1.0, "", "Cy")


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({}, "nothing to keep"),
        ({"points": 2.5}, "0 to 2 points, not 2.5"),
        ({"points": -1.0}, "0 to 2 points"),
        ({"points": float("nan")}, "0 to 2 points"),
        ({"points": 1.0, "without_points": True}, "choose one"),
    ],
)
def test_what_cannot_be_is_refused(said: dict[str, object], complaint: str) -> None:
    with pytest.raises(StreamgymError, match=complaint):
        remarked(**said)


def test_points_are_given_for_an_exercise() -> None:
    with pytest.raises(StreamgymError, match="name one"):
        changed(row("ada"), "", None, 1.0, False, "Bo")
