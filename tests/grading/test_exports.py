"""The files that learning-management systems read."""

import csv
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from streamgym.checks.results import Verdict
from streamgym.errors import StreamgymError
from streamgym.grading import exports
from streamgym.grading.course import Course, LabRules, LatePolicy, Rules
from streamgym.grading.exports import Export, Finals
from streamgym.grading.gradebook import Remark
from streamgym.grading.marks import marks
from streamgym.grading.roster import Person, Roster

from .rows import result, row

DUE = datetime(2026, 12, 1, 12, tzinfo=UTC)
RULES = Rules(
    timezone=ZoneInfo("Europe/Berlin"),
    labs={"01_tiny": LabRules(due=DUE, column="Tiny (4711)")},
    late=LatePolicy(per_day=10),
)
CLASS = Roster(
    (
        Person("ada", "Ada", "Lovelace", "ada@example.org", "11", "S1", "alove", "A"),
        Person("ben", "Ben", "Okri", "ben@example.org", "12"),
        Person("zoe", "Zoë", "=Wanamaker", "zoe@example.org", "13"),
        Person("gus", "Gus", "Lost", "gus@example.org"),
    )
)
COURSE = Course(RULES, CLASS)
ROWS = [
    row(
        "ada",
        result(points=1.5, verdict=Verdict.FAILED),
        person="ada",
        handed_in="2026-12-01T14:00:00+01:00",
        remarks={"double": Remark(None, "See me.", "Bo")},
    ),
    row("ben", person="ben", handed_in="2026-12-01T13:00:00"),
    row("ben (2)", result(points=1), person="ben", handed_in="2026-12-01T14:00:00"),
    row("gus", result(points=0, verdict=Verdict.UNGRADABLE), person="gus"),
    row("eve", person="eve"),
]


def finals(course: Course = COURSE) -> Finals:
    return Finals.of(marks(ROWS, course))


def read(folder: Path, made: Export) -> list[list[str]]:
    with exports.write(folder / "out.csv", made.lines).open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_canvas_finds_its_header_points_and_students(tmp_path: Path) -> None:
    made = exports.canvas(finals(), COURSE)
    assert read(tmp_path, made) == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Tiny (4711)"],
        ["    Points Possible", "", "", "", "", "2"],
        ["Lovelace, Ada", "11", "S1", "alove", "A", "1.35"],
        ["Okri, Ben", "12", "", "", "", "0.9"],
        ["'=Wanamaker, Zoë", "13", "", "", "", ""],
        ["Lost, Gus", "", "", "", "", ""],
    ]
    assert made.left_out == ["eve"]


def test_canvas_gets_its_own_students_back(tmp_path: Path) -> None:
    template = tmp_path / "canvas.csv"
    template.write_text(
        "Student,ID,SIS User ID,SIS Login ID,Section,Other (1),Current Score\n"
        "    Points Possible,,,,,10,(read only)\n"
        '"Okri, Ben",12,,,A and B,9,90\n'
        '"Everdene, Eve",99,,eve,A,9,90\n'
        '"Student, Test",98,,,A,,\n',
        encoding="utf-8-sig",
    )
    made = exports.canvas(finals(), COURSE, template)
    assert read(tmp_path, made)[2:] == [
        ["Okri, Ben", "12", "", "", "A and B", "0.9"],
        ["Everdene, Eve", "99", "", "eve", "A", "2"],
        ["Student, Test", "98", "", "", "A", ""],
    ]
    assert made.left_out == ["ada", "gus", "zoe"]


def test_names_of_canvas_files_fit_its_own_students_without_a_roster(tmp_path: Path) -> None:
    template = tmp_path / "canvas.csv"
    template.write_text('Student,ID,Section\n"Everdene, Eve",99,A\n')
    found = Finals.of(marks([row("everdeneeve", person="everdeneeve")], Course()))
    assert read(tmp_path, exports.canvas(found, Course(), template))[2][-1] == "2"


@pytest.mark.parametrize("content", ["", "name,points\nada,1\n"])
def test_what_is_no_gradebook_of_canvas_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(StreamgymError, match="not a gradebook from Canvas"):
        exports.canvas(finals(), COURSE, tmp_path / "t.csv")


def test_moodle_gets_grades_with_feedback_or_neither(tmp_path: Path) -> None:
    made = exports.moodle(finals(), COURSE)
    head = ["First name", "Last name", "ID number", "Email address"]
    assert read(tmp_path, made) == [
        [*head, "Tiny (4711)", "Tiny (4711) (feedback)"],
        ["Ada", "Lovelace", "S1", "ada@example.org", "1.35", TOLD],
        ["Ben", "Okri", "ben", "ben@example.org", "0.9", "1 of 2 points. Late: -0.1."],
        ["Zoë", "'=Wanamaker", "zoe", "zoe@example.org", "", ""],
        ["Gus", "Lost", "gus", "gus@example.org", "", ""],
    ]
    assert made.left_out == ["eve"]


TOLD = "1.5 of 2 points. Late: -0.15. See me."


def test_moodle_needs_a_roster() -> None:
    with pytest.raises(StreamgymError, match="roster"):
        exports.moodle(finals(), Course())


def test_nbgraders_columns_are_in_its_order(tmp_path: Path) -> None:
    """The order of ``keys`` in nbgrader 0.9.6's ``nbgrader/plugins/export.py``."""
    header, ada, ben, zoe, gus = read(tmp_path, exports.nbgrader(finals(), COURSE))
    assert ",".join(header) == (
        "assignment,duedate,timestamp,student_id,last_name,first_name,email,"
        "raw_score,late_submission_penalty,score,max_score"
    )
    due = "2026-12-01 12:00:00"
    assert ada[:5] == ["01_tiny", due, "2026-12-01 13:00:00", "ada", "Lovelace"]
    assert ada[7:] == ["1.5", "0.15", "1.35", "2"]
    assert ben[7:] == ["1", "0.1", "0.9", "2"]
    assert (zoe[2], zoe[7:]) == ("", ["0", "0", "0", "2"])  # missing, as nbgrader has it
    assert gus[7:] == ["0", "0", "", "2"]  # ungradable: no score


def test_points_have_two_decimals_at_most() -> None:
    assert [exports.points(n) for n in (0.0, 10.0, 12345.67, 1 / 3)] == [
        "0",
        "10",
        "12345.67",
        "0.33",
    ]
