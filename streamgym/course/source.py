"""Reading a lab's one source, ``solutions/NN_topic/lab.py``: percent cells with solution regions.

A region stands between ``# BEGIN SOLUTION`` and ``# END SOLUTION`` (the markers of nbgrader and
otter-grader). The learner's notebook has ``raise NotImplementedError`` in its place, or the lines
of the region that start with ``# STARTER``, without these words. A cell marked
``# %% worker="NAME"`` becomes a ``%%worker NAME`` cell.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jupytext
import yaml

from streamgym.errors import StreamgymError

BEGIN, END, STARTER = "# BEGIN SOLUTION", "# END SOLUTION", "# STARTER"
WORKER = re.compile(r"%%worker +(\w+)")
DEFINITION = re.compile(r"^(?:def +(\w+) *\(|(\w+) *(?::[^=\n]+)?=(?!=))", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """One cell of the source; ``solution`` tells whether it holds a solution region."""

    kind: str
    text: str

    @property
    def solution(self) -> bool:
        """Whether the learner is to write something here."""
        return self.kind == "code" and BEGIN in self.text

    @property
    def defines(self) -> set[str]:
        """The worker, or the functions and variables, that the cell defines."""
        return defined_in(self.reference)

    @property
    def reference(self) -> str:
        """The text with the reference solution and without markers."""
        lines = self.text.splitlines()
        kept = [x for x in lines if not x.strip().startswith((BEGIN, END, STARTER))]
        return "\n".join(kept)

    @property
    def starter(self) -> str:
        """The text that the learner starts from.

        Raises:
            StreamgymError: a region does not end, or ends without having begun.
        """
        kept: list[str] = []
        region: list[str] | None = None
        for line in self.text.splitlines():
            mark = line.strip()
            if mark == BEGIN and region is None:
                region = []
                indent = line[: line.index("#")]
            elif mark == END and region is not None:
                kept += region or [f"{indent}raise NotImplementedError"]
                region = None
            elif mark in (BEGIN, END):
                raise StreamgymError(f"{mark!r} stands where it does not belong, in: {self.text}")
            elif region is None:
                kept.append(line)
            elif mark.startswith(STARTER):
                region.append(indent + mark.removeprefix(STARTER).removeprefix(" "))
        if region is not None:
            raise StreamgymError(f"a {BEGIN!r} has no {END!r}, in: {self.text}")
        return "\n".join(kept)


@dataclass(frozen=True)
class Source:
    """A lab's source: its front matter (title, chapters, questions, minutes) and its cells."""

    front: dict[str, Any]
    cells: list[Cell] = field(default_factory=list)

    def answer(self, exercise: str) -> Cell:
        """Return the cell that holds the solution of an exercise.

        Raises:
            StreamgymError: no cell with a solution region defines it.
        """
        for cell in self.cells:
            if cell.solution and exercise in cell.defines:
                return cell
        raise StreamgymError(f"lab.py has no solution region that defines {exercise!r}: add one")


def defined_in(text: str) -> set[str]:
    """Return the names that a cell's text defines: its worker, or its functions and variables."""
    if worker := WORKER.match(text):
        return {worker[1]}
    return {name for pair in DEFINITION.findall(text) for name in pair if name}


def read_source(path: Path) -> Source:
    """Read a lab's source.

    Raises:
        StreamgymError: there is none, or its front matter is not YAML.
    """
    if not path.is_file():
        raise StreamgymError(f"{path} does not exist: make the lab with `streamgym new NN_topic`")
    notebook = jupytext.reads(path.read_text(), fmt="py:percent")
    cells = [_cell(cell) for cell in notebook.cells if cell.cell_type != "raw"]
    return Source(_front(notebook.cells, path), cells)


def _cell(cell: Any) -> Cell:
    worker = cell.metadata.get("worker")
    magic = f"%%worker {worker}\n" if worker else ""
    return Cell(cell.cell_type, magic + cell.source)


def _front(cells: list[Any], path: Path) -> dict[str, Any]:
    raw = next((cell.source for cell in cells if cell.cell_type == "raw"), "").strip("-\n")
    try:
        front = yaml.safe_load(raw) or {}
    except yaml.YAMLError as error:
        where = str(error).splitlines()[0]
        raise StreamgymError(f"{path}: its front matter is not YAML: {where}") from None
    if not isinstance(front, dict):
        raise StreamgymError(f"{path}: its front matter must be lines of `key: value`")
    missing = {"title", "chapters", "questions", "minutes"} - front.keys()
    if missing:
        raise StreamgymError(f"{path}: its front matter lacks {', '.join(sorted(missing))}")
    return dict(front)
