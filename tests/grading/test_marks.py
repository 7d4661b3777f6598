"""Which submission counts, what being late costs, and who is missing."""

from datetime import datetime

import pytest

from streamgym.checks.results import Verdict
from streamgym.grading.course import Course, LabRules, LatePolicy, Rules
from streamgym.grading.gradebook import Remark, Row, Status
from streamgym.grading.marks import Mark, marks, most_submissions
from streamgym.grading.roster import Person, Roster

from .rows import result, row

RULES = Rules(
    labs={"01_tiny": LabRules(due=datetime(2026, 12, 1, 12))},
    late=LatePolicy(per_day=15, at_most=40),
)
CLASS = Roster((Person("ada", "Ada", "Lovelace"), Person("ben"), Person("zoe")))
COURSE = Course(RULES, CLASS)


def by_name(given: list[Mark]) -> dict[str, Mark]:
    return {mark.row.student: mark for mark in given}


def test_a_penalty_is_of_the_points_earned_and_leaves_the_row_as_it_is() -> None:
    late = row("ada", result(points=1.5), person="ada", handed_in="2026-12-02T13:00:00")
    (mark, *_) = marks([late], COURSE)
    assert (mark.late.days, mark.penalty, mark.final) == (2, 0.45, 1.05)
    assert (mark.row, mark.row.score) == (late, 1.5)


def test_who_is_on_the_roster_and_handed_in_nothing_is_missing() -> None:
    found = by_name(marks([row("ada", person="ada"), row("eve", person="eve")], COURSE))
    assert {name: str(m.row.status) for name, m in found.items()} == {
        "ada": "graded",
        "ben": "missing",
        "eve": "graded",
        "zoe": "missing",
    }
    assert (found["ada"].name, found["eve"].name, found["ben"].final) == ("Ada Lovelace", "", None)


def test_who_handed_in_something_that_cannot_be_read_is_not_called_missing() -> None:
    unread = Row("ben", "/in/ben.ipynb", "", "", "it is not a notebook", True, "", person="ben")
    assert [m.row.status for m in marks([unread], COURSE) if m.row.student == "ben"] == [
        Status.UNGRADABLE
    ]


@pytest.mark.parametrize(
    ("first", "second", "counts"),
    [
        ("2026-11-01T10:00:00", "2026-11-02T10:00:00", "ada (2)"),
        ("2026-11-02T10:00:00", "2026-11-01T10:00:00", "ada"),
        ("2026-11-02T10:00:00+00:00", "2026-11-02T10:30:00+01:00", "ada"),
        ("", "2026-11-02T10:00:00", "ada (2)"),
        ("2026-11-02T10:00:00", "", "ada"),
        ("", "", "ada (2)"),
    ],
)
def test_the_latest_of_one_students_submissions_counts(first: str, second: str, counts: str):
    rows = [row("ada", person="ada", handed_in=first)]
    rows += [row("ada (2)", result(points=0), person="ada", handed_in=second)]
    given = marks(rows, Course())
    assert [m.row.student for m in given if m.counts] == [counts]
    assert most_submissions(given) == 2


def test_each_lab_counts_for_itself() -> None:
    rows = [row("ada", person="ada"), row("ada (2)", person="ada", lab="02_other")]
    assert all(mark.counts for mark in marks(rows, Course()))


def test_points_of_a_person_count_and_make_a_mark_of_none() -> None:
    lost = result("f", 0, Verdict.UNGRADABLE)
    assert row("ada", result(), lost).status is Status.INCOMPLETE
    assert Mark(row("ada", result(), lost)).final is None
    given = row("ada", result(), lost, remarks={"f": Remark(1.5, "I ran it.", "Bo")})
    assert (given.status, given.score, Mark(given).final) == (Status.GRADED, 3.5, 3.5)


def test_zero_points_of_a_person_count_too() -> None:
    assert row("ada", remarks={"double": Remark(0.0)}).score == 0
