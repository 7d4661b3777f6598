"""``expect``: the word that a check is written in, and how its observations add up."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from streamgym.checks.answers import Raised
from streamgym.checks.results import Evidence, Expectation

SHOWN = 3
"""How many wrong cases are kept as evidence."""

LONG = 6
"""How many items two lists may have together to be shown whole, and how many are shown of each."""


@dataclass(frozen=True)
class Observation:
    """One case of one named expectation."""

    name: str
    passed: bool
    evidence: Evidence | None = None
    hints: frozenset[int] = frozenset()


Expectations = Iterator[Observation]
"""What an exercise's function yields."""


def expect(
    name: str,
    actual: object,
    *,
    equals: object,
    given: object = "",
    mistakes: Mapping[int, object] | None = None,
    hint: int = 1,
    within: float = 0.0,
) -> Observation:
    """Observe whether ``actual`` equals the value that is due.

    Args:
        name: what is expected, in words; observations of one name are one expectation.
        actual: what the answer gave.
        equals: what is due.
        given: what the answer was given, shown as evidence.
        mistakes: for each hint number the value that a known misconception would give (or a
            function of no arguments that works it out); a match earns that hint.
        hint: the hint when no known misconception explains the value.
        within: absolute tolerance for numbers.
    """
    if same(actual, equals, within):
        return Observation(name, passed=True)
    matching = [n for n, value in (mistakes or {}).items() if same(actual, _value(value), within)]
    evidence = Evidence(show(given), *(show(part) for part in difference(equals, actual, within)))
    return Observation(name, False, evidence, frozenset(matching or [hint]))


def same(actual: object, expected: object, within: float = 0.0) -> bool:
    """Return whether two plain values are equal, numbers within a tolerance."""
    if isinstance(actual, Raised):
        return False
    if isinstance(expected, int | float) and not isinstance(expected, bool):
        return _is_number(actual) and _near(actual, expected, within)
    if isinstance(expected, list | tuple):
        return (
            isinstance(actual, list | tuple)
            and len(actual) == len(expected)
            and all(same(a, e, within) for a, e in zip(actual, expected, strict=True))
        )
    if isinstance(expected, dict):
        return (
            isinstance(actual, dict)
            and actual.keys() == expected.keys()
            and all(same(actual[key], expected[key], within) for key in expected)
        )
    return type(actual) is type(expected) and actual == expected


def difference(expected: object, actual: object, within: float = 0.0) -> tuple[object, object]:
    """Return the parts of two values that differ, of dicts and of long lists; else both whole."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return _differing_entries(expected, actual, within)
    if isinstance(expected, list) and isinstance(actual, list):
        return _differing_items(expected, actual)
    return expected, actual


def _differing_entries(
    expected: dict[Any, Any], actual: dict[Any, Any], within: float
) -> tuple[object, object]:
    keys = sorted(expected.keys() | actual.keys(), key=str)
    lacks = "none"
    pairs = {key: (expected.get(key, lacks), actual.get(key, lacks)) for key in keys}
    differing = {k: pair for k, pair in pairs.items() if not same(pair[1], pair[0], within)}
    return {k: due for k, (due, _) in differing.items()}, {
        k: got for k, (_, got) in differing.items()
    }


def _differing_items(expected: list[Any], actual: list[Any]) -> tuple[object, object]:
    missing = [item for item in expected if item not in actual]
    surplus = [item for item in actual if item not in expected]
    if len(expected) + len(actual) <= LONG or not (missing or surplus):
        return expected, actual
    return (
        {"items": len(expected)} | ({"missing": missing[:LONG]} if missing else {}),
        {"items": len(actual)} | ({"not expected": surplus[:LONG]} if surplus else {}),
    )


def summarise(observations: Iterable[Observation]) -> tuple[Expectation, ...]:
    """Gather observations by name, in the order in which the names first came."""
    by_name: dict[str, list[Observation]] = {}
    for observation in observations:
        by_name.setdefault(observation.name, []).append(observation)
    return tuple(_expectation(name, group) for name, group in by_name.items())


def _expectation(name: str, group: list[Observation]) -> Expectation:
    wrong = [o for o in group if not o.passed]
    if not wrong:
        return Expectation(name, True, seen=len(group))
    evidence = tuple(o.evidence for o in wrong if o.evidence)[:SHOWN]
    return Expectation(name, False, len(group), len(wrong), evidence, _common_hint(wrong))


def _common_hint(wrong: list[Observation]) -> int:
    """Return the hint that explains most of the wrong cases (the earliest among equals)."""
    votes = Counter(sorted(hint for o in wrong for hint in o.hints))
    return votes.most_common(1)[0][0]


def show(value: object) -> str:
    """Return a value as a learner would like to read it, cut to a readable length."""
    try:
        text = _show(value)
    except RecursionError:
        text = "nested too deeply to be shown"
    return text if len(text) <= 400 else text[:400] + " …"


def _show(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        zone = "" if value.tzinfo else " (without a time zone)"
        return f"{value:%Y-%m-%d %H:%M:%S}".removesuffix(":00") + zone
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_show(item)}" for key, item in value.items()) or "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_show(item) for item in value) + "]"
    return f"{value:g}" if isinstance(value, float) else repr(value)


def _value(value: object) -> object:
    return value() if callable(value) else value


def _near(actual: Any, expected: float, within: float) -> bool:
    try:
        return bool(abs(actual - expected) <= within)
    except OverflowError:  # an int beyond every float
        return False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
