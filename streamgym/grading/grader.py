"""Grading one submission into the folder of results."""

import time
from pathlib import Path

from papermill.engines import papermill_engines
from papermill.iorw import load_notebook_node

from streamgym.checks.results import Result
from streamgym.checks.seeds import seed_of
from streamgym.grading import engine, feedback
from streamgym.grading.grade import Grading, in_lasting_world
from streamgym.grading.gradebook import Gradebook, Row
from streamgym.grading.run import Limits
from streamgym.grading.submission import Submission
from streamgym.grading.world import GradingWorld
from streamgym.grading.worlds import Ways


class Grader:
    """Grades one submission after the other into one folder; threads may share it."""

    def __init__(self, out: Path, secret: str, sandboxed: bool, limits: Limits) -> None:
        self.book = Gradebook(out)
        self.pages = out / "feedback"
        self.sandboxed = sandboxed
        self._secret = secret
        self._limits = limits

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
            path=str(submitted.path).encode(errors="replace").decode(),
            digest=submitted.digest,
            lab=submitted.lab,
            reason=reason,
            sandboxed=self.sandboxed,
            seed=f"{seed_of('identity of', self._secret):016x}"[:8],
            seconds=round(time.monotonic() - began, 1),
            results=tuple(results),
        )

    def keep(self, row: Row, submitted: Submission) -> None:
        """Write a row and its page of feedback."""
        self.book.add(row)
        feedback.write(self.pages, row, submitted.code)

    def _results(self, submitted: Submission, ways: Ways) -> list[Result]:
        def grade(world: GradingWorld) -> list[Result]:
            grading = Grading(submitted.lab, submitted.student, self._secret, world, self._limits)
            return _by_papermill(submitted, grading)

        return in_lasting_world(submitted.lab, ways, grade)


def _by_papermill(submitted: Submission, grading: Grading) -> list[Result]:
    notebook = load_notebook_node(submitted.notebook)
    papermill_engines.execute_notebook_with_engine(
        engine.NAME, notebook, kernel_name="python3", progress_bar=False, grading=grading
    )
    return [Result.from_dict(result) for result in notebook.metadata.streamgym.results]
