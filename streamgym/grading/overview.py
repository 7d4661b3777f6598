"""The class on one page: how far it got, what it failed at, and which misconceptions it has."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streamgym.checks.results import Result, Verdict
from streamgym.grading.atomic import write_text
from streamgym.grading.feedback import TEMPLATES, file_name
from streamgym.grading.gradebook import Row, Status
from streamgym.grading.marks import Mark, most_submissions


@dataclass(frozen=True)
class Share:
    """How many of a number of answers something holds for: a check passed, a hint earned."""

    name: str
    number: int
    of: int

    @property
    def percent(self) -> int:
        """The share."""
        return round(100 * self.number / self.of)


@dataclass(frozen=True)
class ExerciseCount:
    """What came of one exercise in the whole class.

    Attributes:
        lab: the lab.
        exercise: the exercise's name.
        title: its title.
        verdicts: how often each verdict was given.
        checks: how many passed each check of those judged by it, the fewest first.
        hints: how many earned each hint of all who failed, the most first. A hint stands for a
            misconception.
    """

    lab: str
    exercise: str
    title: str
    verdicts: Counter[Verdict]
    checks: list[Share]
    hints: list[Share]

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
    checks = [Share(name, passed[name], number) for name, number in judged.items()]
    hints = Counter(result.hint for result in results if result.hint)
    return ExerciseCount(
        lab,
        exercise,
        results[0].title,
        Counter(result.verdict for result in results),
        sorted(checks, key=lambda check: check.percent),
        [Share(hint, number, hints.total()) for hint, number in hints.most_common()],
    )


def histogram(marks: Sequence[Mark]) -> list[int]:
    """Return how many graded submissions have 0 to 10 %, 10 to 20 %, ..., 90 to 100 % at last."""
    shares = [m.final / m.row.max_score for m in marks if m.final is not None and m.row.max_score]
    bins = Counter(min(int(10 * share), 9) for share in shares)
    return [bins[number] for number in range(10)]


def write(folder: Path, marks: Sequence[Mark], title: str = "The class") -> Path:
    """Write ``overview.html`` below ``folder``, and return its path."""
    return write_text(folder / "overview.html", render(marks, title))


def render(marks: Sequence[Mark], title: str = "The class") -> str:
    """Return the page as HTML; it names no seed, and nothing in it is executed.

    The statistics are of the submissions that count. How often somebody tried an exercise is not
    among them: only the learner's own files know that, and those can say anything.
    """
    counting = [mark for mark in marks if mark.counts]
    return TEMPLATES.get_template("overview.html.j2").render(
        title=title,
        marks=marks,
        submissions=[mark for mark in marks if mark.row.status is not Status.MISSING],
        exercises=count([mark.row for mark in counting]),
        histogram=histogram(counting),
        statuses=Counter(mark.row.status for mark in marks),
        resubmitted=most_submissions(marks) > 1,
        has_dates=any(mark.late.due or mark.late.days for mark in marks),
        page=lambda row: f"feedback/{file_name(row.student)}.html",
        verdicts=[str(verdict) for verdict in Verdict],
    )
