"""Results as data, points, and which hint is earned."""

import json

import pytest

from streamgym.checks import Case, Expectations, Worker, exercise, expect
from streamgym.checks.answers import NotAttempted
from streamgym.checks.expect import summarise
from streamgym.checks.results import Evidence, Expectation, Result, Verdict, share

RESULT = Result(
    "tumbling",
    "Tumbling",
    Verdict.FAILED,
    2.5,
    10,
    (
        Expectation("on the hour", True, seen=3),
        Expectation("in between", False, 4, 3, (Evidence("a", "b", "c"), Evidence("d", "", "")), 2),
    ),
    hint="Round down.",
)


@pytest.mark.parametrize(
    "result", [RESULT, Result("t", "T", Verdict.NOT_ATTEMPTED, 0, 1, reason="nothing there")]
)
def test_a_result_survives_json(result):
    back = Result.from_dict(json.loads(json.dumps(result.as_dict())))
    assert back == result
    assert isinstance(back.verdict, Verdict)


def test_an_unknown_verdict_is_refused():
    with pytest.raises(ValueError, match="excellent"):
        Result.from_dict({**RESULT.as_dict(), "verdict": "excellent"})


def test_the_share_is_of_expectations_and_nothing_earns_nothing():
    passed, failed = Expectation("a", True), Expectation("b", False)
    assert share([passed, failed, failed]) == pytest.approx(1 / 3)
    assert share([passed]) == 1
    assert share([]) == 0


def test_equal_votes_earn_the_earliest_hint():
    seen = [expect("x", n, equals=0, mistakes={3: 1, 2: 2}) for n in (1, 2)]
    assert [e.hint for e in summarise(seen)] == [2]


def test_expectations_keep_the_order_in_which_they_first_came():
    names = ["b", "a", "b", "c", "a"]
    assert [e.name for e in summarise(expect(n, 1, equals=1) for n in names)] == ["b", "a", "c"]


def test_a_mistake_is_worked_out_only_for_a_wrong_answer():
    def never():
        raise AssertionError

    assert expect("x", 1, equals=1, mistakes={2: never}).passed


@exercise(title="Run", points=10, hints=["First.", "Second."])
def run(answer: Worker, case: Case) -> Expectations:
    for number, got in enumerate(answer):
        yield expect(f"step {number}", got, equals=1, hint=2)


class Given:
    """Answers whose worker is this."""

    def __init__(self, answer):
        self.answer = answer

    def worker(self, name):
        if self.answer is None:
            raise NotAttempted(f"no {name}")
        return self.answer


@pytest.mark.parametrize(
    ("steps", "points"), [([1, 1, 1], 10), ([1, 1, 0], 6.67), ([0, 1, 0], 3.33), ([0], 0)]
)
def test_points_are_shared_among_expectations(steps, points):
    result = run.grade(Given(steps), Case(1, None))
    assert result.points == points
    assert result.hint == ("" if points == 10 else "Second.")


def test_nothing_given_is_not_attempted_with_its_reason():
    result = run.grade(Given(None), Case(1, None))
    assert (result.verdict, result.reason, result.points) == (Verdict.NOT_ATTEMPTED, "no run", 0)


def test_the_kind_may_be_annotated_as_text():
    @exercise(title="Text", points=1, hints=[])
    def text(answer: "Worker", case: "Case") -> "Expectations":
        yield from ()

    assert (run.kind, text.kind) == ("worker", "worker")


def test_a_case_draws_the_same_from_the_same_seed():
    drawn = [[Case(seed, None).rng.random() for _ in range(3)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
