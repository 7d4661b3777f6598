from datetime import UTC, datetime

import pytest

from streamgym.checks import expect
from streamgym.checks.answers import Raised
from streamgym.checks.expect import SHOWN, difference, same, show, summarise


@pytest.mark.parametrize(
    ("actual", "expected", "within", "equal"),
    [
        (1, 1.0, 0, True),
        (1.001, 1, 0.01, True),
        (True, 1, 0, False),
        ("1", 1, 0, False),
        (1, "1", 0, False),
        ([1, 2], (1, 2), 0, True),
        ([1], [1, 2], 0, False),
        ({"a": 1.0}, {"a": 1}, 0, True),
        ({"a": 1}, {"a": 1, "b": 2}, 0, False),
        (None, None, 0, True),
        (0, None, 0, False),
        (Raised("ValueError"), Raised("ValueError"), 0, False),
        (datetime(2013, 1, 1), datetime(2013, 1, 1, tzinfo=UTC), 0, False),
    ],
)
def test_same(actual, expected, within, equal):
    assert same(actual, expected, within) is equal


def test_observations_of_one_name_are_one_expectation():
    seen = [expect("sum", n if n < 6 else 0, equals=n, given=n) for n in range(1, 11)]
    (expectation,) = summarise([*seen])
    assert (expectation.passed, expectation.seen, expectation.wrong) == (False, 10, 5)
    assert [piece.given for piece in expectation.evidence] == ["6", "7", "8"]
    assert len(expectation.evidence) == SHOWN


def test_the_hint_is_that_of_the_mistake_which_explains_most_cases():
    seen = [
        expect("x", 2, equals=1, mistakes={3: 2, 4: 2}),
        expect("x", 5, equals=1, mistakes={3: 4, 4: lambda: 5}),
        expect("x", 7, equals=1, mistakes={3: 4}, hint=2),
    ]
    (expectation,) = summarise(seen)
    assert expectation.hint == 4


def test_a_right_answer_never_earns_a_hint_even_if_a_mistake_gives_the_same():
    (expectation,) = summarise([expect("x", 1, equals=1, mistakes={2: 1})])
    assert expectation.passed
    assert expectation.hint is None


def test_only_what_differs_is_shown():
    due, got = difference({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 5, "d": 4})
    assert due == {"b": 2, "c": 3, "d": "none"}
    assert got == {"b": 5, "c": "none", "d": 4}


def test_values_are_shown_for_a_person():
    assert show(datetime(2013, 1, 1, 8, tzinfo=UTC)) == "2013-01-01 08:00"
    assert show(datetime(2013, 1, 1, 8)) == "2013-01-01 08:00 (without a time zone)"
    assert show("x" * 1000).endswith("…")
    assert show(Raised("KeyError: 'a'")) == "KeyError: 'a'"
