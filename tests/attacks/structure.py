"""3. Structure: what a notebook is made of, edited; and what is no notebook."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_output

from .attack import ALL, DELIVER, DOUBLE, FAVOURITE, HONEST, LAB, PLAIN, POINTS, Attack, notebook


def edited(cells: tuple[str, ...], edit: Callable[[Any], None]) -> Callable[[Path], None]:
    """Return what writes a notebook with these cells after an edit."""

    def write(path: Path) -> None:
        made = notebook(cells)
        edit(made)
        path.write_text(json.dumps(made))

    return write


def tags(made: Any) -> None:
    for cell in made.cells:
        cell.metadata.update(
            tags=["raises-exception", "skip-execution"],
            nbgrader={"grade": True, "points": 999, "solution": False, "locked": True},
            editable=False,
        )


def metadata(made: Any) -> None:
    made.metadata.update(
        streamgym={"lab": "01_target", "student": "honest", "results": [{"points": 999}]},
        kernelspec={"name": "../../bin/sh", "display_name": "sh", "language": "bash"},
        papermill={"parameters": {"favourite": 7}},
    )


def outputs(made: Any) -> None:
    for cell in made.cells:
        cell.outputs = [new_output("stream", text="PASSED: 11 of 11 points\n")]
        cell.execution_count = 1


def parameters(made: Any) -> None:
    made.cells[1].metadata.update(tags=["parameters", "injected-parameters"])


def bytes_of(content: bytes) -> Callable[[Path], None]:
    """Return what writes these bytes."""
    return lambda path: path.write_bytes(content) and None


def a_link(path: Path) -> None:
    nbformat.write(notebook(HONEST), path.with_suffix(".txt"))
    path.symlink_to(path.with_suffix(".txt"))


def a_pipe(path: Path) -> None:
    __import__("os").mkfifo(path)


def many(path: Path) -> None:
    nbformat.write(notebook((LAB, FAVOURITE, *["1"] * 1200)), path)


WRONG = (PLAIN, "def double(number):\n    return 'tagged'", "favourite = 3")
HALF = DOUBLE.splitlines()

ATTACKS = [
    Attack("tags and points", write=edited(WRONG, tags), says="tagged"),
    Attack("metadata and kernelspec", write=edited(WRONG, metadata), says="tagged"),
    Attack("stored outputs", write=edited(WRONG, outputs), says="tagged"),
    Attack("papermill parameters", write=edited(WRONG, parameters), says="tagged"),
    Attack("cells moved", (LAB, *reversed(HONEST[1:])), ALL, says="In capitals"),
    Attack("cells duplicated", (*HONEST, *HONEST[1:]), ALL, says="In capitals"),
    Attack(
        "cells deleted", (DOUBLE, 'lab = "01_target"', PLAIN), POINTS["double"], says="A number"
    ),
    Attack("cells split", (PLAIN, HALF[0], HALF[1], FAVOURITE), POINTS["favourite"], says="Twice"),
    Attack(
        "cells renamed",
        (LAB, DOUBLE.replace("double", "duoble"), DELIVER.replace("deliver", "deliverx"), "f = 7"),
        says="there is no double",
    ),
    Attack(
        "a right answer after a wrong one",
        (PLAIN, "favourite = 3", FAVOURITE, "del favourite", "favourite = 3"),
        says="A number",
    ),
    Attack(
        "claims another lab",
        (LAB.replace("01_target", "../../etc"), FAVOURITE),
        ungradable="it names no lab of this course",
    ),
    Attack("broken JSON", write=bytes_of(b'{"cells": ['), ungradable="not a notebook"),
    Attack("wrong format", write=bytes_of(b'{"nbformat": 99, "cells": []}'), ungradable="not a"),
    Attack("200 MB", write=bytes_of(b" " * 200_000_000), ungradable="larger than"),
    Attack("nested without end", write=bytes_of(b"[" * 900_000), ungradable="nested too deeply"),
    Attack("more cells than anyone reads", write=many, ungradable="more than 1,000 cells"),
    Attack("a link to another's work", write=a_link, ungradable="not a file, or a link"),
    Attack("a pipe that nobody writes to", write=a_pipe, ungradable="not a file"),
]
