"""Grading one submission into the folder of results."""

import time
from pathlib import Path

from papermill.engines import papermill_engines
from papermill.iorw import load_notebook_node

from streamgym.checks.labs import load_exercises
from streamgym.checks.results import Result, Verdict
from streamgym.checks.seeds import seed_of
from streamgym.grading import engine, feedback, marks
from streamgym.grading.course import Course
from streamgym.grading.grade import Grading, in_lasting_world
from streamgym.grading.gradebook import Gradebook, Row
from streamgym.grading.submission import Submission
from streamgym.grading.world import GradingWorld
from streamgym.grading.worlds import Ways

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
        self._secret = secret
        self._course = course

    def forget(self) -> None:
        """Remove what an earlier grading left."""
        self.book.clear()
        for page in self.pages.glob("*.html"):
            page.unlink()

    def grade(self, submitted: Submission, ways: Ways) -> Row:
        """Return the row of a submission; never raises for anything that it does."""
        began = time.monotonic()
        results: list[Result] = []
        reason = submitted.reason
        if not reason:
            try:
                results = self._results(submitted, ways)
            except Exception as error:
                reason = f"the grader failed: {type(error).__name__}: {error}"
        return Row(
            student=submitted.student,
            path=str(submitted.path.absolute()).encode(errors="replace").decode(),
            digest=submitted.digest,
            lab=submitted.lab,
            reason=reason,
            sandboxed=self.sandboxed,
            seed=f"{seed_of('identity of', self._secret):016x}"[:8],
            seconds=round(time.monotonic() - began, 1),
            results=tuple(results),
            person=submitted.person,
            handed_in=submitted.handed_in,
            clock=submitted.clock,
            note=submitted.note,
            answers={r.exercise: submitted.answer(r.exercise)[:LONGEST_ANSWER] for r in results},
        )

    def regrade(self, submitted: Submission, exercise: str, ways: Ways) -> Result:
        """Return the new result of one exercise; never raises for anything that it does."""
        try:
            (result,) = self._results(submitted, ways, exercise)
        except Exception as error:
            reason = f"the grader failed: {type(error).__name__}: {error}"
            asked = load_exercises(submitted.lab)[exercise]
            result = asked.without_marks(Verdict.UNGRADABLE, reason)
        return result

    def keep(self, row: Row) -> None:
        """Write a row and its page of feedback."""
        self.book.add(row)
        feedback.write(self.pages, marks.mark(row, self._course))

    def _results(self, submitted: Submission, ways: Ways, only: str = "") -> list[Result]:
        def grade(world: GradingWorld) -> list[Result]:
            student = submitted.person or submitted.student
            names = submitted.names
            grading = Grading(submitted.lab, student, self._secret, world, names, only)
            return _by_papermill(submitted, grading)

        results = in_lasting_world(submitted.lab, ways, grade)
        return [result for result in results if only in ("", result.exercise)]


def _by_papermill(submitted: Submission, grading: Grading) -> list[Result]:
    notebook = load_notebook_node(submitted.notebook)
    papermill_engines.execute_notebook_with_engine(
        engine.NAME, notebook, kernel_name="python3", progress_bar=False, grading=grading
    )
    return [Result.from_dict(result) for result in notebook.metadata.streamgym.results]
