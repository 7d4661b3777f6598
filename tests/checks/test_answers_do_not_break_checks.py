"""Values that once made a check break, and their answers ungradable instead of wrong."""

from datetime import datetime, timedelta

import pandas as pd
import pytest

from streamgym.checks import Case, Expectations, Function, exercise, expect
from streamgym.checks.answers import Run
from streamgym.checks.results import Verdict
from streamgym.checks.served import Served
from streamgym.checks.values import decode, encode
from streamgym.lab.serve import serve

DUE = {
    "a number": 1.5,
    "a time": datetime(2013, 1, 1),
    "a duration": timedelta(hours=1),
    "a list": [1, 2],
    "a dict": {"a": 1},
    "nothing": None,
}


@exercise(title="Anything", points=6, hints=["-"])
def anything(answer: Function, case: Case) -> Expectations:
    for (name, due), got in zip(DUE.items(), answer.map([[]] * len(DUE)), strict=True):
        yield expect(name, got, equals=due, within=0.1, mistakes={1: due})


class Lies(dict):
    def __eq__(self, other):
        return True

    def keys(self):
        return {"a": 1}.keys()

    __hash__ = None


@pytest.mark.parametrize(
    "value",
    [
        10**400,
        -(10**4000),
        float("nan"),
        float("inf"),
        pd.NaT,
        pd.NA,
        {"$time": "noon"},
        {"$seconds": None},
        {"$time": "2013-01-01", "more": 1},
        {1: 2, "1": 3},
        [[[[]]]],
        "\ud800",
        "x" * 3_000_000,
        b"",
        Lies(),
        datetime.max,
        timedelta.max,
        type,
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_strange_value_is_wrong_and_not_ungradable(value):
    namespace = {"anything": lambda: value}
    answers = Served(lambda text: serve(text, namespace), {}, lambda *_: Run(0, ""))
    result = anything.grade(answers, Case(1, None))
    assert (result.verdict, result.points) == (Verdict.FAILED, 0), result.reason


def test_a_missing_time_does_not_become_the_year_one():
    assert decode(encode([pd.NaT, pd.NaT])) == ["NaT", "NaT"]
