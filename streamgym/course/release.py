"""The package that students get: all that a lab needs, and none of the solutions."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat

from streamgym.checks.labs import course_root, lab_names
from streamgym.course.source import BEGIN, END, STARTER, Cell, read_source
from streamgym.errors import StreamgymError

PARTS = (
    "README.md",
    "LICENSE",
    "Makefile",
    "setup.sh",
    "pyproject.toml",
    "requirements.txt",
    "environment.yml",
    "docker-compose.yml",
    "labs",
    "notebooks",
    "datasets",
    "streamgym",
)
"""What a student needs; everything else stays."""

TELLING = 30
"""How many characters, without white space, a solution must have to be known again."""

LEFT_OUT = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "*.pyc", ".*")


def release(out: Path) -> int:
    """Write the students' package to a new folder, and return the number of its files.

    Raises:
        StreamgymError: the folder is there and not empty, or a solution got into the package.
    """
    if out.exists() and any(out.iterdir()):
        raise StreamgymError(f"{out} is not empty: name a new folder, so that nothing gets mixed")
    root = course_root()
    if out.resolve().is_relative_to(root.resolve()):
        raise StreamgymError(f"{out} lies in the course itself: name a folder outside of it")
    for part in PARTS:
        _copy(root / part, out / part)
    if leaks := list(leaked(out)):
        shutil.rmtree(out)
        raise StreamgymError(f"a solution would have been given away, so nothing is: {leaks[0]}")
    return sum(path.is_file() for path in out.rglob("*"))


def leaked(folder: Path) -> Iterator[str]:
    """Yield each place below a folder at which a reference solution stands."""
    texts = {path: _squeezed(_text(path)) for path in folder.rglob("*") if path.is_file()}
    for lab in lab_names():
        for cell in read_source(course_root() / "solutions" / lab / "lab.py").cells:
            if cell.solution:
                yield from (
                    f"{lab}, {', '.join(sorted(cell.defines))}, in {path.relative_to(folder)}"
                    for path, text in texts.items()
                    if any(part in text for part in _solutions(cell) if len(part) >= TELLING)
                )


def _solutions(cell: Cell) -> Iterator[str]:
    """Yield what each solution region of a cell holds, without white space."""
    region: list[str] | None = None
    for line in cell.text.splitlines():
        mark = line.strip()
        if mark == BEGIN:
            region = []
        elif mark == END and region is not None:
            yield _squeezed("".join(region))
            region = None
        elif region is not None and not mark.startswith(STARTER):
            region.append(line)


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _text(path: Path) -> str:
    if path.suffix == ".ipynb":
        return "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    return path.read_text(encoding="utf-8", errors="replace")


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=LEFT_OUT)
    elif source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
