from contextlib import nullcontext

import pytest

from streamgym.checks import Case, Choice, Expectations, Function, exercise, expect
from streamgym.checks.answers import Ungradable
from streamgym.checks.results import Result, Verdict
from streamgym.checks.served import Served
from streamgym.lab.serve import serve


class NoWorld:
    def kafka(self):
        raise AssertionError("no broker is needed here")

    spark = kafka


@exercise(title="Double it", points=6, hints=["Add.", "Not squared.", "Negative too."])
def double(answer: Function, case: Case) -> Expectations:
    numbers = [case.rng.randrange(3, 100) for _ in range(5)]
    for number, got in zip(numbers, answer.map([[n] for n in numbers]), strict=True):
        yield expect("positive", got, equals=2 * number, mistakes={2: number**2})
    for number, got in zip(numbers, answer.map([[-n] for n in numbers]), strict=True):
        yield expect("negative", got, equals=-2 * number, hint=3)


@exercise(title="Choose", points=1, hints=["Seven."], task=lambda rng: {"due": rng.randrange(9)})
def number(answer: Choice, case: Case) -> Expectations:
    yield expect("due", answer.value, equals=number.task_for(answer.student)["due"])


def grade(tested, **namespace):
    answers = Served(lambda request: serve(request, namespace), {}, nullcontext)
    with Case(1, NoWorld()) as case:
        return tested.grade(answers, case)


def test_a_right_answer_passes():
    result = grade(double, double=lambda n: n + n)
    assert (result.verdict, result.points, result.hint) == (Verdict.PASSED, 6, "")


def test_half_right_earns_half_and_the_hint_of_the_first_failure():
    result = grade(double, double=lambda n: 2 * abs(n))
    assert (result.verdict, result.points, result.hint) == (Verdict.FAILED, 3, "Negative too.")


def test_a_known_mistake_earns_its_hint():
    assert grade(double, double=lambda n: n * n).hint == "Not squared."


def starter(n):
    raise NotImplementedError


@pytest.mark.parametrize("namespace", [{}, {"double": starter}])
def test_what_is_not_there_or_untouched_is_not_attempted(namespace):
    result = grade(double, **namespace)
    assert (result.verdict, result.points) == (Verdict.NOT_ATTEMPTED, 0)
    assert result.reason


def test_an_answer_that_raises_fails_with_its_error_as_evidence():
    result = grade(double, double=lambda n: 1 / 0)
    assert result.verdict is Verdict.FAILED
    assert result.expectations[0].evidence[0].actual == "ZeroDivisionError: division by zero"


def test_what_is_no_function_fails():
    assert grade(double, double=3).verdict is Verdict.FAILED


def test_a_choice_depends_on_the_student():
    due = number.task_for("ada")["due"]
    lab = type("Lab", (), {"student": "ada"})()
    assert grade(number, number=due, lab=lab).verdict is Verdict.PASSED
    assert grade(number, number=due + 1, lab=lab).verdict is Verdict.FAILED
    assert grade(number, number=..., lab=lab).verdict is Verdict.NOT_ATTEMPTED


def test_a_time_out_and_a_broken_check_are_ungradable_never_a_mark():
    @exercise(title="Slow", points=1, hints=["-"])
    def slow(answer: Function, case: Case) -> Expectations:
        yield expect("x", 1, equals=1)
        raise Ungradable("it took too long")

    @exercise(title="Broken", points=1, hints=["-"])
    def broken(answer: Function, case: Case) -> Expectations:
        yield expect("x", {}["missing"], equals=1)

    assert (grade(slow).verdict, grade(slow).points) == (Verdict.UNGRADABLE, 0)
    assert grade(broken).reason == "the check could not be run: KeyError: 'missing'"


def test_a_check_without_expectations_earns_nothing():
    @exercise(title="Empty", points=1, hints=["-"])
    def empty(answer: Function, case: Case) -> Expectations:
        yield from ()

    assert grade(empty).points == 0


def test_the_kind_is_the_annotation():
    assert (double.kind, number.kind) == ("function", "choice")
    with pytest.raises(TypeError, match="annotate its first argument"):

        @exercise(title="?", points=1, hints=[])
        def wrong(answer: int, case: Case) -> Expectations:
            yield expect("x", 1, equals=1)


def test_a_result_survives_as_plain_data():
    result = grade(double, double=lambda n: n)
    assert Result.from_dict(result.as_dict()) == result


@pytest.mark.parametrize(
    "forged", ['{"outcomes": [{"value": 10}]}', "null", "[]", '{"outcomes": 7}']
)
def test_a_reply_that_lacks_outcomes_earns_nothing(forged):
    with Case(1, NoWorld()) as case:
        result = double.grade(Served(lambda _: forged, {}, nullcontext), case)
    assert (result.verdict, result.points) == (Verdict.FAILED, 0)
    assert all(expectation.seen == 5 for expectation in result.expectations)
