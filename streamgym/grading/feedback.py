"""One page of feedback per submission: the marks, the evidence and the learner's own answers."""

import hashlib
import re
from pathlib import Path

from jinja2 import Environment, PackageLoader

from streamgym.grading.atomic import write_text
from streamgym.grading.marks import Mark

TEMPLATES = Environment(
    loader=PackageLoader("streamgym.grading", "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write(folder: Path, mark: Mark) -> Path:
    """Write a submission's page below ``folder``, and return its path."""
    return write_text(folder / f"{file_name(mark.row.student)}.html", render(mark))


def render(mark: Mark) -> str:
    """Return a submission's page as HTML; nothing in it is executed, whoever wrote it."""
    return TEMPLATES.get_template("feedback.html.j2").render(mark=mark, row=mark.row)


def file_name(student: str) -> str:
    """Return a name that is safe on every file system, and another for every student."""
    safe = re.sub(r"[^\w.-]+", "_", student).strip("._")
    short = safe.encode(errors="replace")[:120].decode(errors="ignore")
    if short == student == student.lower():
        return short
    return f"{short}-{hashlib.sha256(student.encode(errors='replace')).hexdigest()[:8]}"
