"""One page of feedback per submission: the marks, the evidence and the learner's own answers."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader

from streamgym.grading.gradebook import Row
from streamgym.grading.submission import names

TEMPLATES = Environment(
    loader=PackageLoader("streamgym.grading", "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
LONGEST_ANSWER = 20_000
"""Characters of an answer that are shown."""


def write(folder: Path, row: Row, code: Sequence[str]) -> Path:
    """Write a submission's page below ``folder``, and return its path.

    Args:
        folder: where the pages are.
        row: the marks.
        code: the texts of the submission's code cells.
    """
    folder.mkdir(exist_ok=True)
    path = folder / f"{file_name(row.student)}.html"
    path.write_text(render(row, code), encoding="utf-8", errors="replace")
    return path


def render(row: Row, code: Sequence[str]) -> str:
    """Return a submission's page as HTML; nothing in it is executed, whoever wrote it."""
    answers = {result.exercise: _answer(result.exercise, code) for result in row.results}
    return TEMPLATES.get_template("feedback.html.j2").render(row=row, answers=answers)


def file_name(student: str) -> str:
    """Return a name that is safe on every file system, and another for every student."""
    safe = re.sub(r"[^\w.-]+", "_", student).strip("._")[:80]
    if safe == student:
        return safe
    return f"{safe}-{hashlib.sha256(student.encode(errors='replace')).hexdigest()[:8]}"


def _answer(exercise: str, code: Sequence[str]) -> str:
    defining = [text for text in code if exercise in names(text)]
    return defining[-1][:LONGEST_ANSWER] if defining else ""
