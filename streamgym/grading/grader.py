"""Grading one submission into the folder of results."""

import time
from pathlib import Path

from papermill.engines import papermill_engines
from papermill.iorw import load_notebook_node

from streamgym.checks.labs import load_exercises
from streamgym.checks.limits import Limits
from streamgym.checks.results import Result, Verdict
from streamgym.checks.seeds import seed_of
from streamgym.grading import engine, feedback, marks
from streamgym.grading.course import Course
from streamgym.grading.grade import Grading, in_lasting_world
from streamgym.grading.gradebook import Gradebook, Row
from streamgym.grading.submission import Submission
from streamgym.grading.world import GradingWorld
from streamgym.grading.worlds import Ways, Worlds

NO_RULES = Course()
LONGEST_ANSWER = 20_000
"""Characters of an answer that are kept."""


class Grader:
    """Grades one submission after the other into one folder; threads may share it.

    Args:
        out: the folder of the results.
        secret: the secret seed.
        sandboxed: False runs submissions without protection.
        course: the rules that the pages of feedback go by.
    """

    def __init__(self, out: Path, secret: str, sandboxed: bool, course: Course = NO_RULES) -> None:
        self.book = Gradebook(out)
        self.pages = out / "feedback"
        self.sandboxed = sandboxed
        self.secret = secret
        self._course = course

    def forget(self) -> None:
        """Remove what an earlier grading left."""
        self.book.clear()
        for page in self.pages.glob("*.html"):
            page.unlink()

    def grade(self, submitted: Submission, ways: Ways) -> Row:
        """Return the row of a submission; see :func:`graded`."""
        return graded(submitted, ways, self.secret, sandboxed=self.sandboxed)

    def regrade(self, submitted: Submission, exercise: str, ways: Ways) -> Result:
        """Return the new result of one exercise; never raises for anything that it does."""
        try:
            (result,) = _results(submitted, ways, self.secret, exercise)
        except Exception as error:
            reason = f"the grader failed: {type(error).__name__}: {error}"
            asked = load_exercises(submitted.lab)[exercise]
            result = asked.without_marks(Verdict.UNGRADABLE, reason)
        return result

    def keep(self, row: Row) -> None:
        """Write a row and its page of feedback."""
        self.book.add(row)
        feedback.write(self.pages, marks.mark(row, self._course))


def graded(submitted: Submission, ways: Ways, secret: str, *, sandboxed: bool) -> Row:
    """Return the row of a submission; never raises for anything that it does.

    Args:
        submitted: the submission; with a ``reason``, that is all that its row says.
        ways: how to come by its world.
        secret: the secret seed.
        sandboxed: what the row says of the world.
    """
    began = time.monotonic()
    results: list[Result] = []
    reason = submitted.reason
    if not reason:
        try:
            results = _results(submitted, ways, secret)
        except Exception as error:
            reason = f"the grader failed: {type(error).__name__}: {error}"
    return Row(
        student=submitted.student,
        path=str(submitted.path.absolute()).encode(errors="replace").decode(),
        digest=submitted.digest,
        lab=submitted.lab,
        reason=reason,
        sandboxed=sandboxed,
        seed=f"{seed_of('identity of', secret):016x}"[:8],
        seconds=round(time.monotonic() - began, 1),
        results=tuple(results),
        person=submitted.person,
        handed_in=submitted.handed_in,
        clock=submitted.clock,
        note=submitted.note,
        answers={r.exercise: submitted.answer(r.exercise)[:LONGEST_ANSWER] for r in results},
    )


def graded_alone(
    submitted: Submission, secret: str, *, sandboxed: bool, limits: Limits | None = None
) -> Row:
    """Return the row of a submission that is graded in a world started for it now.

    Args:
        submitted: the submission.
        secret: the secret seed.
        sandboxed: False runs it without protection.
        limits: what it may use; None for what its lab says.
    """
    worlds = Worlds(1, sandboxed, limits)
    try:
        ways = () if submitted.reason else worlds.ways(submitted.lab, submitted.code)
        return graded(submitted, ways, secret, sandboxed=sandboxed)
    except BaseException:
        worlds.abandon()
        raise


def _results(submitted: Submission, ways: Ways, secret: str, only: str = "") -> list[Result]:
    def grade(world: GradingWorld) -> list[Result]:
        student = submitted.person or submitted.student
        grading = Grading(submitted.lab, student, secret, world, submitted.names, only)
        return _by_papermill(submitted, grading)

    results = in_lasting_world(submitted.lab, ways, grade)
    return [result for result in results if only in ("", result.exercise)]


def _by_papermill(submitted: Submission, grading: Grading) -> list[Result]:
    notebook = load_notebook_node(submitted.notebook)
    papermill_engines.execute_notebook_with_engine(
        engine.NAME, notebook, kernel_name="python3", progress_bar=False, grading=grading
    )
    return [Result.from_dict(result) for result in notebook.metadata.streamgym.results]
