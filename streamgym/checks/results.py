"""Verdicts, expectations and the result of one exercise."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """The four things that can be said about an answer."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_ATTEMPTED = "not attempted"
    UNGRADABLE = "ungradable"


@dataclass(frozen=True)
class Evidence:
    """One case in which an answer was wrong: what it was given, what was due, what came."""

    given: str
    expected: str
    actual: str


@dataclass(frozen=True)
class Expectation:
    """One named property of an answer, over all the cases it was tried on.

    ``hint`` is the number (from 1) of the hint that the failure earns, ``seen`` the number of
    cases tried, ``wrong`` the number of cases that failed; at most a few are kept as evidence.
    """

    name: str
    passed: bool
    seen: int = 1
    wrong: int = 0
    evidence: tuple[Evidence, ...] = ()
    hint: int | None = None


@dataclass(frozen=True)
class Result:
    """What came of one exercise. ``reason`` says why it was not attempted or is ungradable."""

    exercise: str
    title: str
    verdict: Verdict
    points: float
    max_points: float
    expectations: tuple[Expectation, ...] = ()
    hint: str = ""
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Result":
        """Return the result that :meth:`as_dict` made ``data`` from."""
        expectations = [
            Expectation(
                **{**item, "evidence": tuple(Evidence(**piece) for piece in item["evidence"])}
            )
            for item in data["expectations"]
        ]
        return cls(
            **{
                **data,
                "verdict": Verdict(data["verdict"]),
                "expectations": tuple(expectations),
            }
        )


def share(expectations: Sequence[Expectation]) -> float:
    """Return the share of expectations that passed, 0 to 1; none at all earn nothing."""
    return sum(e.passed for e in expectations) / len(expectations) if expectations else 0.0
