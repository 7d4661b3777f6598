"""A learner's own notebook, graded before it is handed in; the final grading draws other data."""

import secrets
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from watchfiles import watch

from streamgym.errors import StreamgymError
from streamgym.grading import submission
from streamgym.grading.found import student_of
from streamgym.grading.gradebook import Row
from streamgym.grading.grader import graded_alone

LOOK_MS = 1000
"""How often to look at the file where the system tells of no changes, such as on network drives."""


def rehearse(notebook: Path, *, sandbox: bool = True) -> Row:
    """Grade a notebook as an instructor would, on data drawn for this once.

    Args:
        notebook: the learner's own.
        sandbox: False runs it without protection: it is one's own.

    Raises:
        StreamgymError: it is no notebook of a lab.
    """
    submitted = submission.read(student_of(notebook), notebook)
    if submitted.reason:
        raise StreamgymError(f"{notebook} cannot be graded: {submitted.reason}")
    return graded_alone(submitted, secrets.token_hex(16), sandboxed=sandbox)


def saves(notebook: Path) -> Iterator[None]:
    """Yield once, and then each time that the notebook is saved with other contents."""
    seen = None
    changes = watch(notebook.parent, yield_on_timeout=True, rust_timeout=LOOK_MS)
    for _ in chain([()], changes):
        if notebook.exists() and (contents := notebook.read_bytes()) != seen:
            seen = contents
            yield
