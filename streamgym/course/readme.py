"""The README's table of labs, made from their front matter."""

import re
from pathlib import Path

from streamgym.checks.labs import course_root, lab_names, load_exercises
from streamgym.course.source import read_source

TABLE = re.compile(r"(?<=<!-- labs -->\n).*?(?=<!-- /labs -->)", re.DOTALL)


def readme() -> tuple[Path, str]:
    """Return the README's path and the text that it should have."""
    path = course_root() / "README.md"
    return path, TABLE.sub(lambda _: _table(), path.read_text())


def _table() -> str:
    head = [
        "| lab | exercises | points | minutes | guide chapters | interview questions |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    return "".join(line + "\n" for line in [*head, *map(_row, lab_names())])


def _row(lab: str) -> str:
    front = read_source(course_root() / "solutions" / lab / "lab.py").front
    exercises = load_exercises(lab).values()
    points = sum(exercise.points for exercise in exercises)
    cells = [
        f"[{lab[:2]} {front['title']}](labs/{lab}/lab.ipynb)",
        len(exercises),
        f"{points:g}",
        front["minutes"],
        ", ".join(map(str, front["chapters"])),
        ", ".join(map(str, front["questions"])),
    ]
    return f"| {' | '.join(map(str, cells))} |"
