"""``@right`` and ``@wrong``: the words that a lab's ``answers.py`` is written in.

A right or wrong answer is what a learner would write: a function for a *function* or *plan*
exercise, a function of no arguments that returns the value for a *choice*. For a *worker* it is a
function from the reference solution's text to another text (see :func:`swap`).
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamgym.checks import Exercise

Answer = Callable[..., Any]


@dataclass(frozen=True)
class Labelled:
    """One answer with the verdict that it must get; a right one has no misconception."""

    exercise: Exercise
    name: str
    answer: Answer
    misconception: str = ""
    fails: str = ""
    hint: int = 0

    @property
    def is_right(self) -> bool:
        """Whether it must pass."""
        return not self.misconception


def right(exercise: Exercise) -> Callable[[Answer], Labelled]:
    """Mark an answer that must pass."""
    return lambda answer: Labelled(exercise, answer.__name__, answer)


def wrong(
    exercise: Exercise, *, misconception: str, fails: str, hint: int
) -> Callable[[Answer], Labelled]:
    """Mark an answer that must fail at the expectation ``fails`` and earn hint number ``hint``."""
    return lambda answer: Labelled(exercise, answer.__name__, answer, misconception, fails, hint)


def swap(script: str, old: str, new: str) -> str:
    """Return a script with one part replaced.

    Raises:
        ValueError: the part is not there, so nothing would change.
    """
    if old not in script:
        raise ValueError(f"the reference solution has no {old!r} any more")
    return script.replace(old, new)


def load_answers(path: Path) -> list[Labelled]:
    """Return the labelled answers of an ``answers.py``, in its order."""
    spec = importlib.util.spec_from_file_location(f"streamgym_answers_{path.parent.name}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [item for item in vars(module).values() if isinstance(item, Labelled)]
