"""The words that a lab's ``checks.py`` is written in."""

from streamgym.checks.answers import Choice, Function, Plan, Query, Worker
from streamgym.checks.case import Case
from streamgym.checks.exercise import Exercise, exercise
from streamgym.checks.expect import Expectations, expect
from streamgym.checks.limits import Limits

__all__ = [
    "Case",
    "Choice",
    "Exercise",
    "Expectations",
    "Function",
    "Limits",
    "Plan",
    "Query",
    "Worker",
    "exercise",
    "expect",
]
