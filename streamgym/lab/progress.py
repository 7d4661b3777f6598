"""What a learner has done so far, kept on disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from streamgym.checks.results import Result, Verdict
from streamgym.lab.saved import Saved


@dataclass
class Standing:
    """How far a learner is with one exercise; ``points`` is the best so far."""

    points: float = 0.0
    verdict: str = Verdict.NOT_ATTEMPTED
    attempts: int = 0
    hints: int = 0
    solution_seen: bool = False


class Progress:
    """The standings of all exercises, by lab and name, in one JSON file.

    The file lies in the user's data folder, or in ``STREAMGYM_STATE``; several notebooks may use
    it at once.
    """

    def __init__(self, folder: Path | None = None) -> None:
        remedy = "mend it, or delete it to start your progress anew"
        self._saved = Saved("progress.json", folder, lambda raw: Standing(**raw), asdict, remedy)
        self.path = self._saved.path

    def standing(self, lab: str, exercise: str) -> Standing:
        """Return the standing of one exercise."""
        return self._saved.read().get(f"{lab}/{exercise}", Standing())

    def record(self, lab: str, result: Result) -> None:
        """Count an attempt; the best points stay."""
        if result.verdict is Verdict.NOT_ATTEMPTED:
            return
        with self._changed(lab, result.exercise) as standing:
            standing.attempts += result.verdict is not Verdict.UNGRADABLE
            if result.points >= standing.points and standing.verdict != Verdict.PASSED:
                standing.points, standing.verdict = result.points, str(result.verdict)

    def next_hint(self, lab: str, exercise: str, available: int) -> int:
        """Take the next rung of the hint ladder; return its number, from 1."""
        with self._changed(lab, exercise) as standing:
            standing.hints = min(standing.hints + 1, available)
        return standing.hints

    def saw_solution(self, lab: str, exercise: str) -> None:
        """Note that the solution was looked at."""
        with self._changed(lab, exercise) as standing:
            standing.solution_seen = True

    def forget(self, lab: str, exercise: str) -> None:
        """Start one exercise anew."""
        with self._saved.changed() as standings:
            standings.pop(f"{lab}/{exercise}", None)

    @contextmanager
    def _changed(self, lab: str, exercise: str) -> Iterator[Standing]:
        with self._saved.changed() as standings:
            yield standings.setdefault(f"{lab}/{exercise}", Standing())
