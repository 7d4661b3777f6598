"""Marks: what the rows of a gradebook are worth under the rules of a course, at present.

A penalty is worked out whenever a report is written; the results that are kept never change by it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from streamgym.grading.course import Course, Lateness
from streamgym.grading.gradebook import Row, Status

IN_TIME = Lateness()
NOBODY_KNOWS = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Mark:
    """A submission's row, what being late costs, and whether it is the one that counts.

    Who handed in a lab more than once has one submission that counts: the latest, or the last of
    those whose times are not known.
    """

    row: Row
    late: Lateness = IN_TIME
    counts: bool = True
    name: str = ""

    @property
    def penalty(self) -> float:
        """The points that being late costs."""
        return round(self.row.score * self.late.percent / 100, 2)

    @property
    def final(self) -> float | None:
        """The points that remain; None unless all exercises have a mark."""
        known = self.row.status is Status.GRADED
        return round(self.row.score - self.penalty, 2) if known else None


def mark(row: Row, course: Course) -> Mark:
    """Return the mark of one row, as the only one of its student."""
    student = whose(row)
    person = course.person(student)
    late = course.lateness(student, row.lab, row.handed_in, row.clock)
    return Mark(row, late, name=person.name if person else "")


def marks(rows: Sequence[Row], course: Course) -> list[Mark]:
    """Return the marks of all rows and of who is on the roster without one, by student."""
    everyone = [*rows, *_missing(rows, course)]
    given = sorted((mark(row, course) for row in everyone), key=_order)
    last = {(whose(m.row), m.row.lab): m for m in sorted(given, key=_time)}
    return [replace(m, counts=last[whose(m.row), m.row.lab] is m) for m in given]


def whose(row: Row) -> str:
    """Return the id or the name of the student that a row belongs to."""
    return row.person or row.student


def most_submissions(given: Sequence[Mark]) -> int:
    """Return how many submissions of one lab one student has, at most."""
    counted = Counter((whose(m.row), m.row.lab) for m in given if m.row.lab)
    return max(counted.values(), default=0)


def _missing(rows: Sequence[Row], course: Course) -> Iterator[Row]:
    """Yield a row for each lab that somebody on the roster did not hand in.

    Who handed in something that cannot be read, for whatever lab, is not called missing.
    """
    labs = sorted(course.rules.labs or {row.lab for row in rows if row.lab})
    there = {(whose(row), row.lab) for row in rows}
    for person in course.roster.people if course.roster else ():
        for lab in labs:
            if not there & {(person.id, lab), (person.id, "")}:
                reason = "nothing was handed in"
                yield Row(person.id, "", "", lab, reason, True, "", person=person.id)


def _order(given: Mark) -> tuple[str, str]:
    return given.row.student, given.row.lab


def _time(given: Mark) -> datetime:
    return given.late.handed_in or NOBODY_KNOWS
