"""``@exercise``: an exercise is a function from an answer and a case to expectations."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from streamgym.checks.answers import Answers, NotAttempted, Ungradable
from streamgym.checks.case import Case
from streamgym.checks.expect import Expectations, summarise
from streamgym.checks.results import Expectation, Result, Verdict, share
from streamgym.checks.seeds import seed_of

KINDS = ("function", "worker", "plan", "query", "choice")


@dataclass(frozen=True)
class Exercise:
    """One graded question: what it is worth, its hints in order, and how an answer is checked."""

    name: str
    title: str
    points: float
    hints: tuple[str, ...]
    kind: str
    check: Callable[[Any, Case], Expectations]
    task: Callable[[Random], dict[str, Any]] | None = None

    def task_for(self, student: str) -> dict[str, Any]:
        """Return the variant of the question that this student gets; the same at every call.

        Raises:
            ValueError: the question has no variants.
        """
        if self.task is None:
            raise ValueError(f"{self.name} is the same for everybody")
        return self.task(Random(seed_of(self.name, student)))

    def grade(self, answers: Answers, case: Case) -> Result:
        """Judge this exercise's answer among ``answers`` on one case.

        Points are shared equally among the expectations. Never raises for anything that an
        answer does; a check that breaks is *ungradable*, with its error as the reason.
        """
        try:
            answer = getattr(answers, self.kind)(self.name)
            expectations = summarise(self.check(answer, case))
        except NotAttempted as error:
            return self.without_marks(Verdict.NOT_ATTEMPTED, str(error))
        except Ungradable as error:
            return self.without_marks(Verdict.UNGRADABLE, str(error))
        except Exception as error:
            reason = f"the check could not be run: {type(error).__name__}: {error}"
            return self.without_marks(Verdict.UNGRADABLE, reason)
        return self._judged(expectations)

    def without_marks(self, verdict: Verdict, reason: str) -> Result:
        """Return a result that says why there is no mark."""
        return Result(self.name, self.title, verdict, 0.0, self.points, reason=reason)

    def _judged(self, expectations: tuple[Expectation, ...]) -> Result:
        earned = share(expectations)
        passed = earned == 1.0
        return Result(
            self.name,
            self.title,
            Verdict.PASSED if passed else Verdict.FAILED,
            round(earned * self.points, 2),
            self.points,
            expectations,
            hint="" if passed else self._hint(expectations),
        )

    def _hint(self, expectations: tuple[Expectation, ...]) -> str:
        first_failed = next((e for e in expectations if not e.passed), None)
        return self.hints[(first_failed.hint or 1) - 1] if first_failed else ""


def exercise(
    *,
    title: str,
    points: float,
    hints: list[str],
    task: Callable[[Random], dict[str, Any]] | None = None,
) -> Callable[[Callable[[Any, Case], Expectations]], Exercise]:
    """Make an exercise of a check; the kind of answer is the annotation of its first argument.

    ``task`` draws what differs between students, for a question of which each has a variant.

    Raises:
        TypeError: that annotation is none of Function, Worker, Plan, Query, Choice.
    """

    def make(check: Callable[[Any, Case], Expectations]) -> Exercise:
        name = check.__name__
        return Exercise(name, title, points, tuple(hints), _kind(check), check, task)

    return make


def _kind(check: Callable[..., object]) -> str:
    first = next(iter(inspect.signature(check).parameters.values()))
    kind = getattr(first.annotation, "__name__", str(first.annotation)).lower()
    if kind not in KINDS:
        raise TypeError(f"{check.__name__}: annotate its first argument with one of {KINDS}")
    return kind
