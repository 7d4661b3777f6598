"""Crash sweeps as expectations: what a worker must keep, with and without a crash."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from streamgym.checks.answers import Worker
from streamgym.checks.case import Case
from streamgym.checks.expect import Expectations, expect
from streamgym.faults.sweep import Broken, Stage, Sweep, Trial, sweep

Hint = int | Callable[[Trial], int]
"""The hint that a broken property earns, or how it follows from the trial in which it broke."""

SHOWN = 350
"""How many characters of a worker's error output are shown: its last, which name the error."""


def survives(
    answer: Worker,
    case: Case,
    prepare: Callable[[], tuple[dict[str, str], Callable[[], Broken]]],
    hints: Mapping[str, Hint],
    seconds: float = 60,
    files: Callable[[Path], Broken] = lambda _: {},
) -> Expectations:
    """Expect properties of a worker's run, and the same after a crash at each point of that run.

    Args:
        answer: the worker.
        case: whose systems it runs on.
        prepare: makes fresh topics and the like for one run; returns the worker's environment
            variables, and a function that says for each property, by name, what breaks it. It is
            called by several threads.
        hints: for each of these properties the hint that it earns when it is broken.
        seconds: how long the worker may take to its end.
        files: says, as that function does, what is broken in the folder that the worker ran in.
    """
    found = sweep(
        answer.workspace,
        lambda: Stage(*prepare(), case.release, files),
        case.rng,
        seconds,
        case.progress,
    )
    yield from expectations(found, hints)


def expectations(found: Sweep, hints: Mapping[str, Hint], what: str = "worker") -> Expectations:
    """Expect properties of what was found in a sweep of a worker or something else."""
    clean = found.clean
    errors = clean.run.errors[-SHOWN:]
    yield expect(f"the {what} ends in order", clean.run.returncode, equals=0, given=errors)
    for name, hint in hints.items():
        yield _holds(f"without a crash: {name}", clean, name, hint)
    for name, hint in hints.items():
        yield from _after_crashes(f"after any crash: {name}", found, name, hint)


def _after_crashes(name: str, found: Sweep, broken: str, hint: Hint) -> Expectations:
    for trial in found.crashes:
        yield _holds(name, trial, broken, hint)
    if not found.crashes:
        why = "it was not killed at all: mend what is wrong without a crash first"
        yield expect(name, why, equals="tried", hint=_hint(hint, found.clean))


def _holds(name: str, trial: Trial, broken: str, hint: Hint) -> Any:
    where = str(trial.point) if trial.point else "a run that nobody disturbs"
    if trial.run.returncode:
        where = f"{where}; it ended with: {trial.run.errors.strip().splitlines()[-1:]}"
    offending = list(trial.broken.get(broken, []))
    return expect(name, offending, equals=[], given=where, hint=_hint(hint, trial))


def _hint(hint: Hint, trial: Trial) -> int:
    return hint if isinstance(hint, int) else hint(trial)
