"""Rows made by hand, for tests of what is done with them, and rows read back."""

import csv
from pathlib import Path
from typing import Any

from streamgym.checks.results import Result, Verdict
from streamgym.grading.gradebook import Row


def result(
    name: str = "double", points: float = 2.0, verdict: Verdict = Verdict.PASSED, most: float = 2.0
) -> Result:
    """The result of an exercise that is worth 2 points."""
    return Result(name, name.title(), verdict, points, most)


def row(student: str, *results: Result, lab: str = "01_tiny", **more: Any) -> Row:
    """A row of these results; passed in full without any."""
    given = results or (result(),)
    return Row(student, f"/in/{student}.ipynb", "abc", lab, "", True, "1234", 1.5, given, **more)


def gradebook(out: Path) -> list[dict[str, str]]:
    """The rows of a written gradebook, but for how long each took."""
    with (out / "gradebook.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
