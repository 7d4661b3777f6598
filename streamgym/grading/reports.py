"""What a grading leaves to be read: the gradebook, the class on one page, and feedback."""

from pathlib import Path

from streamgym.errors import StreamgymError
from streamgym.grading import course as courses
from streamgym.grading import exports, feedback, overview
from streamgym.grading.course import Course
from streamgym.grading.gradebook import Gradebook, Row, Status
from streamgym.grading.marks import Mark, marks

COURSE = "course"
"""The setting that holds where the course's rules are."""


def opened(out: Path) -> Gradebook:
    """Return the gradebook of a folder that holds one.

    Raises:
        StreamgymError: it holds none.
    """
    if not (out / "results.sqlite").exists():
        raise StreamgymError(f"{out} holds no grading: name the folder that `--out` named")
    return Gradebook(out)


def course_of(book: Gradebook, named: Path | None = None) -> Course:
    """Return the rules that are named, else those that this grading last went by, else none.

    Raises:
        StreamgymError: they cannot be read, or are gone.
    """
    path = named.absolute() if named else remembered(book)
    if path is None:
        return Course()
    if not path.exists():
        raise StreamgymError(f"{path} is gone: `streamgym report {book.folder} --course FILE`")
    course = courses.read(path)
    book.remember(COURSE, str(path))
    return course


def remembered(book: Gradebook) -> Path | None:
    """Return where the rules are that this grading last went by, if there are any."""
    path = book.remembered(COURSE)
    return Path(path) if path else None


def write(out: Path, course: Course) -> list[Mark]:
    """Write all reports of a grading anew, and return the marks.

    ``gradebook.csv``, ``overview.html`` and ``feedback/NAME.html`` are written whole or not at all.
    """
    given = marks(Gradebook(out).rows(), course)
    exports.write(out / "gradebook.csv", exports.gradebook(given))
    overview.write(out, given, course.rules.title)
    for mark in given:
        if mark.row.status is not Status.MISSING:
            feedback.write(out / "feedback", mark)
    return given


def row_of(book: Gradebook, student: str, exercise: str = "") -> Row:
    """Return the row of a student that has this exercise.

    Raises:
        StreamgymError: there is none, or no such student.
    """
    rows = book.rows()
    found = next((row for row in rows if row.student == student), None)
    if not found:
        raise StreamgymError(f"nobody is called {student!r}: {_some([r.student for r in rows])}")
    exercises = [result.exercise for result in found.results]
    if exercise and exercise not in exercises:
        raise StreamgymError(f"{student} has no exercise {exercise!r}: {_some(exercises)}")
    return found


def _some(names: list[str]) -> str:
    return f"choose one of {', '.join(names)}" if names else "there is none"
