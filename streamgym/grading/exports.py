"""Gradebooks as CSV: our own, and those that Canvas, Moodle and nbgrader's users read."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from streamgym.errors import StreamgymError
from streamgym.grading.atomic import write_text
from streamgym.grading.course import Course
from streamgym.grading.gradebook import Row, Status
from streamgym.grading.marks import Mark, whose
from streamgym.grading.roster import Person, Roster

Cells = Sequence[object]

COLUMNS = [
    *("student", "name", "lab", "status", "score", "penalty", "final", "max"),
    *("handed_in", "clock", "days_late", "counts", "sandbox", "seed", "seconds", "reason", "note"),
]
CANVAS_COLUMNS = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
NBGRADER_COLUMNS = [
    *("assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email"),
    *("raw_score", "late_submission_penalty", "score", "max_score"),
]
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell starts with that a spreadsheet would execute."""


def write(path: Path, lines: Iterable[Cells]) -> Path:
    """Write lines as CSV and return the path; a spreadsheet shows every cell and executes none."""
    text = io.StringIO()
    csv.writer(text).writerows([_cell(value) for value in line] for line in lines)
    return write_text(path, text.getvalue())


def _cell(value: object) -> str:
    text = "" if value is None else points(value) if isinstance(value, float) else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def points(value: float) -> str:
    """Return a number of points with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


# Our own


def gradebook(marks: Sequence[Mark]) -> Iterator[Cells]:
    """Yield a line for every submission, and for who is on the roster without one."""
    exercises = list(dict.fromkeys(r.exercise for mark in marks for r in mark.row.results))
    yield [*COLUMNS, *(f"{e} {what}" for e in exercises for what in ("verdict", "points"))]
    for mark in marks:
        yield [*_head(mark), *_points(mark.row, exercises)]


def _head(mark: Mark) -> Cells:
    row, late = mark.row, mark.late
    scores = [row.score, mark.penalty, mark.final, row.max_score] if row.results else [""] * 4
    time = late.handed_in.isoformat(sep=" ", timespec="seconds") if late.handed_in else ""
    when = [time, late.clock, late.days, _yes(mark.counts)]
    how = [_yes(row.sandboxed), row.seed, f"{row.seconds:.1f}"] if row.path else [""] * 3
    return [row.student, mark.name, row.lab, row.status, *scores, *when, *how, row.reason, row.note]


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _points(row: Row, exercises: Sequence[str]) -> Iterator[object]:
    by_name = {result.exercise: result for result in row.results}
    for name in exercises:
        result = by_name.get(name)
        yield result.verdict if result else ""
        yield row.points(result) if result else ""


# For others


@dataclass(frozen=True)
class Export:
    """The lines of a file, and the students that it could not name, with their marks."""

    lines: list[Cells]
    left_out: list[str]


@dataclass(frozen=True)
class Finals:
    """The marks that count, by student and lab."""

    marks: dict[tuple[str, str], Mark]

    @classmethod
    def of(cls, marks: Iterable[Mark]) -> "Finals":
        """Return those of all marks that count and are of a known lab."""
        return cls({(whose(m.row), m.row.lab): m for m in marks if m.counts and m.row.lab})

    @property
    def labs(self) -> list[str]:
        """The labs, in order."""
        return sorted({lab for _, lab in self.marks})

    @property
    def students(self) -> list[str]:
        """The ids or names of all students, in order."""
        return sorted({student for student, _ in self.marks})

    def most(self, lab: str) -> float:
        """Return the points that a lab is worth."""
        return max(mark.row.max_score for (_, of), mark in self.marks.items() if of == lab)

    def final(self, student: str, lab: str) -> float | None:
        """Return a student's points for a lab; None where nothing is known."""
        mark = self.marks.get((student, lab))
        return mark.final if mark else None


def canvas(finals: Finals, course: Course, template: Path | None = None) -> Export:
    """Return what Canvas imports as grades: a column a lab, and the points possible.

    Canvas wants its five columns about the student, ``Section`` last, then a line that begins
    with ``Points Possible``; it finds a student by ``ID``, ``SIS User ID``, ``SIS Login ID``, and
    else by name, and an assignment by ``Title (id)`` or title (``lib/gradebook_importer.rb`` of
    instructure/canvas-lms). A mark that is not known is left empty.

    Args:
        finals: the marks that count.
        course: its rules and roster.
        template: grades exported from Canvas, whose students are taken as they stand there.
    """
    people = _people(finals, course)
    lines = _template(template) if template else [(_of_roster(p), p) for p in people]
    owners = _owners([person for _, person in lines], finals.students, course)
    made: list[Cells] = [[*CANVAS_COLUMNS, *(course.column(lab) for lab in finals.labs)]]
    made.append(["    Points Possible", "", "", "", "", *(finals.most(lab) for lab in finals.labs)])
    for cells, person in lines:
        student = owners.get(person, "")
        made.append([*cells, *(finals.final(student, lab) for lab in finals.labs)])
    return Export(made, sorted(set(finals.students) - set(owners.values())))


def moodle(finals: Finals, course: Course) -> Export:
    """Return what Moodle imports as grades, each with feedback; its form maps the columns.

    Moodle finds a student by email address or ID number, and loses the grades of an activity when
    feedback comes without grades, so both are there (https://docs.moodle.org/en/Grade_import).

    Raises:
        StreamgymError: there is no roster, and so nothing that Moodle could find a student by.
    """
    if not course.roster:
        raise StreamgymError("Moodle finds students by email address: name a roster in course.toml")
    titles = [title for lab in finals.labs for title in _moodle_columns(course.column(lab))]
    made: list[Cells] = [["First name", "Last name", "ID number", "Email address", *titles]]
    for p in course.roster.people:
        cells = [c for lab in finals.labs for c in _with_feedback(finals.marks.get((p.id, lab)))]
        made.append([p.first_name, p.last_name, p.sis_user_id or p.id, p.email, *cells])
    return Export(made, sorted(set(finals.students) - course.roster.by_id.keys()))


def nbgrader(finals: Finals, course: Course) -> Export:
    """Return the columns that ``nbgrader export`` writes, in its order.

    As in ``nbgrader/plugins/export.py`` of nbgrader 0.9.6 there is a line for every assignment and
    student, times are in UTC, and who handed in nothing has zeros. A mark that is not known is
    left empty: nbgrader has no word for that.
    """
    people = _people(finals, course)
    made: list[Cells] = [NBGRADER_COLUMNS]
    for lab in finals.labs:
        made += [_nbgrader(p, lab, finals, course.due(p.id, lab)) for p in people]
    return Export(made, sorted(set(finals.students) - {person.id for person in people}))


def _people(finals: Finals, course: Course) -> Sequence[Person]:
    """Return the roster, or where there is none a person for every student with a mark."""
    return course.roster.people if course.roster else [Person(name) for name in finals.students]


def _of_roster(p: Person) -> Cells:
    name = f"{p.last_name}, {p.first_name}" if p.last_name and p.first_name else p.name
    return [name, p.lms_user_id, p.sis_user_id, p.sis_login_id, p.section]


def _template(path: Path) -> list[tuple[Cells, Person]]:
    """Return each student's cells of a gradebook that Canvas exported, and who that is."""
    try:
        lines = [*csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())]
    except (OSError, UnicodeDecodeError) as error:
        raise StreamgymError(f"{path} cannot be read: {error}") from None
    if not lines or not {"Student", "ID", "Section"} <= lines[0].keys():
        raise StreamgymError(
            f"{path} is not a gradebook from Canvas: it has no Student, ID, Section"
        )
    people: list[tuple[Cells, Person]] = []
    for line in lines:
        student, lms, sis, login, section = (line.get(name) or "" for name in CANVAS_COLUMNS)
        last, _, first = student.partition(", ")
        if lms.strip():
            person = Person(sis or login or lms, first, last, "", lms, sis, login, section)
            people.append(([student, lms, sis, login, section], person))
    return people


def _owners(people: Sequence[Person], students: Sequence[str], course: Course) -> dict[Person, str]:
    """Return which student with marks each of these people is, where one of them is."""
    roster = Roster(tuple(people))
    found = {}
    for student in students:
        known = course.person(student) or Person(student)
        called = (known.id, known.sis_user_id, known.sis_login_id, known.email, known.name)
        matches = (roster.match(name, known.lms_user_id).person for name in called if name)
        if person := next(filter(None, matches), None):
            found[person] = student
    return found


def _moodle_columns(column: str) -> tuple[str, str]:
    return column, f"{column} (feedback)"


def _with_feedback(mark: Mark | None) -> tuple[object, str]:
    """Return final points and the words for them; nothing where the points are not known."""
    if mark is None or mark.final is None:
        return "", ""
    said = [f"{points(mark.row.score)} of {points(mark.row.max_score)} points."]
    said += [f"Late: -{points(mark.penalty)}."] if mark.penalty else []
    said += [remark.text for remark in mark.row.remarks.values() if remark.text]
    return mark.final, " ".join(said)


def _nbgrader(p: Person, lab: str, finals: Finals, due: datetime | None) -> Cells:
    mark = finals.marks.get((p.id, lab))
    time = _utc(mark.late.handed_in) if mark else ""
    scores: Cells = ["", "", ""]
    if mark and mark.row.status is Status.MISSING:
        scores = [0.0, 0.0, 0.0]
    elif mark and mark.row.results:
        scores = [mark.row.score, mark.penalty, mark.final]
    names = [p.id, p.last_name, p.first_name, p.email]
    return [lab, _utc(due), time, *names, *scores, finals.most(lab)]


def _utc(moment: datetime | None) -> str:
    return str(moment.astimezone(UTC).replace(tzinfo=None)) if moment else ""
