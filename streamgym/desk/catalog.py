"""What there is to learn: labs by chapter and question, read from the notebooks themselves."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat

from streamgym.checks import Exercise
from streamgym.checks.labs import course_root, lab_names, load_exercises
from streamgym.interview.questions import questions

CHAPTERS = {
    1: "Overview",
    2: "Stream processing",
    3: "Bulk processing",
    4: "When to use what",
    5: "Technologies and tools",
    6: "Implementation in a shop",
    7: "Best practices",
    8: "Strategies and patterns",
    9: "Downstream data usage",
    10: "Real-world examples",
    11: "Performance tuning",
    12: "Monitoring and observability",
    13: "Error handling",
    14: "Data consistency",
    15: "Scaling",
    16: "Cost",
    17: "Troubleshooting",
    18: "Interview questions",
}
"""The guide's chapters."""


@dataclass(frozen=True)
class Lab:
    """One lab, as its notebook describes it.

    Attributes:
        name: its folder.
        title: what it is about.
        minutes: how long it takes.
        chapters: of the guide, to which it belongs.
        questions: of the interview, which it answers.
        headings: each heading of the notebook with the prose below it, in order.
    """

    name: str
    title: str
    minutes: int
    chapters: tuple[int, ...]
    questions: tuple[int, ...]
    headings: tuple[tuple[str, str], ...]

    @property
    def path(self) -> str:
        """Of its notebook, from the course's folder."""
        return f"labs/{self.name}/lab.ipynb"

    @cached_property
    def exercises(self) -> dict[str, Exercise]:
        """The exercises by name."""
        return load_exercises(self.name)


def labs() -> list[Lab]:
    """Return all labs, in order."""
    return [_lab(name, course_root() / "labs" / name / "lab.ipynb") for name in lab_names()]


def _lab(name: str, path: Path) -> Lab:
    notebook = nbformat.read(path, as_version=4)
    front = notebook.metadata["streamgym"]
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return Lab(
        name,
        f"{name[:2]} {front['title']}",
        front["minutes"],
        tuple(front["chapters"]),
        tuple(front["questions"]),
        tuple(_headings("\n".join(prose))),
    )


def _headings(prose: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for line in prose.splitlines():
        if line.startswith("#"):
            found.append((line.lstrip("# "), ""))
        elif found:
            found[-1] = (found[-1][0], f"{found[-1][1]}\n{line}")
    return found


@dataclass(frozen=True)
class Tour:
    """A chapter tour: its path from the course's folder, what it is about, and its chapters."""

    path: str
    title: str
    chapters: tuple[int, ...]


def tours() -> list[Tour]:
    """Return all tours, in order."""
    folder = course_root() / "notebooks"
    sources = sorted(folder.glob("sources/*.py"))  # a learner's own notebooks have none
    return [_tour(folder / f"{source.stem}.ipynb") for source in sources]


def _tour(path: Path) -> Tour:
    front = nbformat.read(path, as_version=4).metadata["streamgym"]
    return Tour(f"notebooks/{path.name}", front["title"], tuple(front["chapters"]))


@dataclass(frozen=True)
class Hit:
    """Something that was searched for: what it is, and the path to it from the course's folder."""

    text: str
    path: str


def search(words: str, among: list[Lab]) -> list[Hit]:
    """Return the places that hold all these words: sections of labs first, then questions."""
    wanted = words.lower().split()
    if not wanted:
        return []

    def holds(text: str) -> bool:
        return all(word in text.lower() for word in wanted)

    sections = [
        Hit(f"{lab.title}: {heading}", f"{lab.path}#{_anchor(heading)}")
        for lab in among
        for heading, prose in lab.headings
        if holds(f"{heading} {prose}")
    ]
    asked = [
        Hit(f"question {each.number}: {each.question}", f"#question-{each.number}")
        for each in questions().values()
        if holds(f"{each.question} {each.answer}")
    ]
    return [*sections, *asked]


def _anchor(heading: str) -> str:
    """Return the fragment that JupyterLab gives a heading."""
    return heading.replace(" ", "-")
