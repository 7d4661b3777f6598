"""Grading one exercise anew, after its check was mended; nothing else is touched."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from streamgym.checks.labs import load_exercises
from streamgym.checks.results import Result
from streamgym.errors import StreamgymError
from streamgym.grading import reports
from streamgym.grading.batch import bar, each_in_its_world
from streamgym.grading.course import Course
from streamgym.grading.gradebook import Row
from streamgym.grading.grader import Grader
from streamgym.grading.policy import require_sandbox
from streamgym.grading.submission import Submission, read
from streamgym.grading.worlds import Ways


@dataclass
class Regrading:
    """What a regrade changed: each row, with the new result; and whom it left out, and why."""

    results: list[tuple[Row, Result]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def regrade(
    out: Path,
    lab: str,
    exercise: str,
    *,
    why: str = "",
    jobs: int = 1,
    sandbox: bool = True,
    progress: bool = True,
) -> Regrading:
    """Grade one exercise of every submission of a lab anew, with the seed of the grading.

    A new result replaces the old one, which the history keeps; a new one that is ungradable
    replaces none that has a mark. The reports are written anew.

    Args:
        out: the folder of the results.
        lab: the lab.
        exercise: the exercise's name.
        why: the reason that the history gives.
        jobs: how many submissions are graded at a time.
        sandbox: False runs the submissions without protection.
        progress: whether to show a bar on standard error.

    Raises:
        StreamgymError: there is no sandbox, no grading in ``out``, or no such exercise.
    """
    if sandbox:
        require_sandbox()
    book = reports.opened(out)
    course = reports.course_of(book)
    if exercise not in load_exercises(lab):
        known = ", ".join(load_exercises(lab))
        raise StreamgymError(f"{lab} has no exercise {exercise!r}: choose one of {known}")
    rows = {row.student: row for row in book.rows() if row.lab == lab and row.results}
    grader = Grader(out, _seed(out), sandbox, course)
    done = Regrading()

    with bar(len(rows), progress) as advance:

        def grade(submitted: Submission, ways: Ways) -> Callable[[], None]:
            result = grader.regrade(submitted, exercise, ways)
            return lambda: keep(rows[submitted.student], result)

        def keep(row: Row, result: Result) -> None:
            book.regraded(row, result, why)
            done.results.append((row, result))

        unchanged = _unchanged(rows, course, done.left_out)
        each_in_its_world(unchanged, grade, jobs, sandbox, advance)
    reports.write(out, course)
    done.results.sort(key=lambda pair: pair[0].student)
    return done


def _unchanged(rows: dict[str, Row], course: Course, left_out: list[str]) -> Iterator[Submission]:
    """Read the submissions whose files are still those that were graded; note the others."""
    for row in rows.values():
        submitted = read(row.student, Path(row.path))
        if submitted.digest != row.digest:
            left_out.append(f"{row.student}: its file has changed or gone; grade it with --resume")
            continue
        owner = course.person(row.person)
        names = owner.names if owner else frozenset()
        yield replace(submitted, person=row.person, names=names)


def _seed(out: Path) -> str:
    try:
        return (out / "seed").read_text()
    except OSError as error:
        raise StreamgymError(
            f"the seed of this grading cannot be read ({error.strerror}): grade all of it anew"
        ) from None
