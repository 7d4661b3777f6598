"""Reading submissions: whatever a file holds, it gives a row, never an error."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from streamgym.checks.labs import lab_names
from streamgym.grading.archives import MAX_BYTES

MAX_CELLS = 1000
"""Number of cells of the largest notebook that is read."""

ANSWER = re.compile(
    r"^(?:%%worker[ \t]+(\w+)|(?:async[ \t]+)?def[ \t]+(\w+)|class[ \t]+(\w+)"
    r"|(\w+)[ \t]*(?::[^=\n]+)?=(?!=))",
    re.MULTILINE,
)
LAB = re.compile(r"""\bLab\(\s*["'](\d\d_[a-z0-9_]+)["']""")
WORKER = re.compile(r"\s*^%%worker[ \t]+(\w+)[ \t]*\n", re.MULTILINE)


class Unreadable(Exception):
    """A file cannot be graded; the message says why."""


@dataclass(frozen=True)
class Submission:
    """One student's notebook. ``notebook`` holds the texts of its cells and nothing else of it.

    ``reason`` says why it cannot be graded; then ``lab`` is empty and there are no cells.
    ``digest`` is the SHA-256 of the file; empty when it could not be read whole. ``person`` is
    whose it is, ``names`` are those that this student's notebook may give (any if there are none),
    and ``handed_in`` is when in ISO format, as ``clock`` has it. ``note`` says what is odd.
    """

    student: str
    path: Path
    digest: str = ""
    lab: str = ""
    notebook: nbformat.NotebookNode | None = None
    reason: str = ""
    person: str = ""
    names: frozenset[str] = frozenset()
    handed_in: str = ""
    clock: str = ""
    note: str = ""

    @property
    def code(self) -> list[str]:
        """The texts of the code cells, in order."""
        return code_of(self.notebook) if self.notebook else []

    def answer(self, exercise: str) -> str:
        """Return the text of the cell that counts as the answer to an exercise; empty if none."""
        defining = [text for text in self.code if exercise in names(text)]
        return defining[-1] if defining else ""


def read(student: str, path: Path) -> Submission:
    """Read a submission; one that cannot be read has a ``reason``."""
    found = Submission(student, path)
    try:
        raw = _bytes(path)
        found = replace(found, digest=hashlib.sha256(raw).hexdigest())
        notebook = _parse(raw)
        return replace(found, lab=lab_of(notebook), notebook=_stripped(notebook))
    except Unreadable as error:
        return replace(found, reason=str(error))


def lab_of(notebook: Any) -> str:
    """Return the lab that a notebook is for, from its metadata or its text.

    Raises:
        Unreadable: it names no lab, or one that does not exist.
    """
    named = notebook.metadata.get("streamgym", {})
    lab = named.get("lab") if isinstance(named, dict) else None
    if lab not in lab_names():
        found = LAB.search("\n".join(code_of(notebook)))
        lab = found.group(1) if found else lab
    if lab not in lab_names():
        raise Unreadable(f"it names no lab of this course (lab: {str(lab or 'none')[:40]})")
    return str(lab)


def code_of(notebook: Any) -> list[str]:
    """Return the texts of a notebook's code cells, in order."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def workers(code: Iterable[str]) -> dict[str, str]:
    """Return the scripts of the ``%%worker NAME`` cells by name; the last of a name counts."""
    found = ((WORKER.match(text), text) for text in code)
    return {match.group(1): text[match.end() :] for match, text in found if match}


def names(text: str) -> set[str]:
    """Return what a cell defines at its left margin: functions, variables, a worker."""
    return {name for match in ANSWER.finditer(text) for name in match.groups() if name}


def _bytes(path: Path) -> bytes:
    try:
        if path.is_symlink() or not path.is_file():
            raise Unreadable("it is not a file, or a link to one")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Unreadable(f"it cannot be read: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise Unreadable(f"it is larger than {MAX_BYTES:,} bytes")
    return raw


def _parse(raw: bytes) -> Any:
    try:
        notebook = nbformat.reads(raw.decode("utf-8-sig"), as_version=4)
        cells = notebook.cells
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    except Exception as error:  # nbformat lets any error out that malformed input provokes
        raise Unreadable(f"it is not a notebook: {_first_line(error)}") from None
    return _checked(notebook, cells)


def _checked(notebook: Any, cells: Any) -> Any:
    if not isinstance(cells, list) or not isinstance(notebook.get("metadata"), dict):
        raise Unreadable("it is not a notebook: its cells or its metadata are malformed")
    if len(cells) > MAX_CELLS:
        raise Unreadable(f"it has more than {MAX_CELLS:,} cells")
    notebook.cells = [cell for cell in cells if _is_cell(cell)]
    return notebook


def _is_cell(cell: Any) -> bool:
    return isinstance(cell, dict) and all(
        isinstance(cell.get(key), str) for key in ("cell_type", "source")
    )


def _stripped(notebook: Any) -> nbformat.NotebookNode:
    """Return a notebook with these cells' texts; metadata, tags and outputs stay behind."""
    make: dict[str, Any] = {"code": new_code_cell}
    cells = [
        make.get(cell.cell_type, new_markdown_cell)(cell.source, id=f"cell-{number}")
        for number, cell in enumerate(notebook.cells, start=1)
    ]
    stripped: nbformat.NotebookNode = new_notebook(cells=cells)
    return stripped


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:200]
