"""Building notebooks from their sources; the same source gives the same bytes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from streamgym.checks.labs import course_root, lab_names
from streamgym.course.readme import readme
from streamgym.course.source import Cell, Source, read_source

KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def notebooks(lab: str) -> dict[Path, str]:
    """Return the text of the learner's and of the solved notebook of a lab, by path."""
    root = course_root()
    source = read_source(root / "solutions" / lab / "lab.py")
    return {
        root / "labs" / lab / "lab.ipynb": _render({"lab": lab}, source, lambda cell: cell.starter),
        root / "solutions" / lab / "lab.ipynb": _render(
            {"lab": lab}, source, lambda cell: cell.reference
        ),
    }


def tours() -> dict[Path, str]:
    """Return the text of each notebook whose source lies in ``notebooks/sources``, by path."""
    folder = course_root() / "notebooks"
    return {
        folder / f"{path.stem}.ipynb": _render(
            {"tour": path.stem}, read_source(path), lambda cell: cell.text
        )
        for path in sorted(folder.glob("sources/*.py"))
    }


def build(labs: list[str]) -> Iterator[Path]:
    """Write the notebooks of these labs (all, when none is named), the tours, the README's table.

    Yields the files that changed.
    """
    for path, text in _all(labs):
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            yield path


def stale(labs: list[str]) -> list[Path]:
    """Return the files that differ from what their sources give."""
    return [path for path, text in _all(labs) if not path.exists() or path.read_text() != text]


def _all(labs: list[str]) -> Iterator[tuple[Path, str]]:
    for lab in labs or lab_names():
        yield from notebooks(lab).items()
    yield from tours().items()
    if (course_root() / "README.md").exists():
        yield readme()


def _render(what: dict[str, str], source: Source, text_of: Callable[[Cell], str]) -> str:
    cells = [_cell(number, cell, text_of) for number, cell in enumerate(source.cells, start=1)]
    metadata = {
        "kernelspec": KERNELSPEC,
        "language_info": {"name": "python"},
        "streamgym": {**what, **source.front},
    }
    notebook = new_notebook(cells=cells, metadata=metadata)
    nbformat.validate(notebook)
    text: str = nbformat.writes(notebook)
    return text.rstrip("\n") + "\n"


def _cell(number: int, cell: Cell, text_of: Callable[[Cell], str]) -> nbformat.NotebookNode:
    name = f"cell-{number:02d}"
    made: nbformat.NotebookNode
    if cell.kind == "code":
        made = new_code_cell(text_of(cell), id=name)
    else:
        made = new_markdown_cell(cell.text, id=name)
    return made
