"""The class on one page: how far it got, what it failed at, and which misconceptions it has."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streamgym.checks.results import Result, Verdict
from streamgym.grading.feedback import TEMPLATES, file_name
from streamgym.grading.gradebook import Row, Status


@dataclass(frozen=True)
class CheckCount:
    """How many answers passed one check, of those that were judged by it."""

    name: str
    passed: int
    judged: int

    @property
    def percent(self) -> int:
        """The share that passed."""
        return round(100 * self.passed / self.judged)


@dataclass(frozen=True)
class ExerciseCount:
    """What came of one exercise in the whole class.

    Attributes:
        lab: the lab.
        exercise: the exercise's name.
        title: its title.
        verdicts: how often each verdict was given.
        checks: its checks, the one that fewest passed first.
        hints: the hints that were earned, with how many earned each; the most frequent first. A
            hint stands for a misconception.
    """

    lab: str
    exercise: str
    title: str
    verdicts: Counter[Verdict]
    checks: list[CheckCount]
    hints: list[tuple[str, int]]

    @property
    def number(self) -> int:
        """How many answers there are."""
        return self.verdicts.total()

    def percent(self, verdict: str) -> float:
        """The share of a verdict."""
        return 100 * self.verdicts[Verdict(verdict)] / self.number


def count(rows: Sequence[Row]) -> list[ExerciseCount]:
    """Count what came of each exercise, in the order of the labs and of their exercises."""
    found: dict[tuple[str, str], list[Result]] = {}
    for row in sorted(rows, key=lambda row: row.lab):
        for result in row.results:
            found.setdefault((row.lab, result.exercise), []).append(result)
    return [_count(lab, name, results) for (lab, name), results in found.items()]


def _count(lab: str, exercise: str, results: list[Result]) -> ExerciseCount:
    passed: Counter[str] = Counter()
    judged: Counter[str] = Counter()
    for result in results:
        judged.update(e.name for e in result.expectations)
        passed.update(e.name for e in result.expectations if e.passed)
    checks = [CheckCount(name, passed[name], number) for name, number in judged.items()]
    return ExerciseCount(
        lab,
        exercise,
        results[0].title,
        Counter(result.verdict for result in results),
        sorted(checks, key=lambda check: check.percent),
        Counter(result.hint for result in results if result.hint).most_common(),
    )


def histogram(rows: Sequence[Row]) -> list[int]:
    """Return how many graded submissions earned 0 to 10 %, 10 to 20 %, ..., 90 to 100 %."""
    shares = [row.score / row.max_score for row in rows if row.status is Status.GRADED]
    bins = Counter(min(int(10 * share), 9) for share in shares)
    return [bins[number] for number in range(10)]


def write(folder: Path, rows: Sequence[Row]) -> Path:
    """Write ``overview.html`` below ``folder``, and return its path."""
    path = folder / "overview.html"
    path.write_text(render(rows), encoding="utf-8", errors="replace")
    return path


def render(rows: Sequence[Row]) -> str:
    """Return the page as HTML; it names no seed, and nothing in it is executed."""
    return TEMPLATES.get_template("overview.html.j2").render(
        rows=rows,
        exercises=count(rows),
        histogram=histogram(rows),
        statuses=Counter(row.status for row in rows),
        page=lambda row: f"feedback/{file_name(row.student)}.html",
        verdicts=[str(verdict) for verdict in Verdict],
    )
