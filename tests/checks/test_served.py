"""Answers reached by request: what a check sees of an honest, a broken and a forged reply."""

import base64
import json
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from streamgym.checks.answers import NotAttempted, Raised, Run, Ungradable
from streamgym.checks.served import Served
from streamgym.lab.serve import serve


def starter(*_):
    raise NotImplementedError


def beside(scripts=None, open_script=None, **namespace):
    """Answers in this namespace, as in a notebook."""
    return Served(lambda request: serve(request, namespace), scripts or {}, open_script)


def replying(text):
    """Answers behind a kernel that says this to everything."""
    return Served(lambda _: text, {}, lambda *_: Run(0, ""))


# functions


def test_a_function_is_called_once_per_item_in_order():
    called = []

    def add(a, b):
        called.append((a, b))
        return a + b

    assert beside(add=add).function("add").map([(1, 2), (3, 4)]) == [3, 7]
    assert called == [(1, 2), (3, 4)]


@pytest.mark.parametrize("namespace", [{}, {"add": starter}])
def test_a_function_that_is_not_there_or_untouched_is_not_attempted(namespace):
    with pytest.raises(NotAttempted):
        beside(**namespace).function("add").map([(1, 2)])


def test_a_call_that_raises_spoils_no_other_call():
    reciprocals = beside(f=lambda n: 1 / n).function("f").map([[2], [0], [4]])
    assert reciprocals == [0.5, Raised("ZeroDivisionError: division by zero"), 0.25]


def test_a_function_that_ends_the_program_is_a_wrong_answer():
    def leave(_):
        raise SystemExit(0)

    assert beside(f=leave).function("f").map([[1]]) == [Raised("SystemExit: 0")]


@pytest.mark.parametrize("returned", [object(), (n for n in "ab"), {"a": {"b": b"bytes"}}])
def test_what_is_not_plain_data_does_not_come_back(returned):
    (outcome,) = beside(f=lambda: returned).function("f").map([[]])
    assert "is not plain data" in outcome.error


def test_a_dict_that_only_looks_like_a_time_comes_back_as_it_is():
    looks = [{"$time": "noon"}, {"$time": 7}, {"$seconds": "x"}]
    assert beside(f=lambda: looks).function("f").map([[]]) == [looks]


FORGED = [
    "",
    "{",
    "null",
    "7",
    '{"outcomes": {"value": 1}}',
    '{"outcomes": [{"value": 1}]}',
    '{"outcomes": [' + "9" * 5000 + "]}",
    "[" * 100_000,
    '{"outcomes": [{"value": {"$seconds": 1e999}}, 3]}',
]


@pytest.mark.parametrize("text", FORGED)
def test_a_forged_reply_gives_an_outcome_for_each_call(text):
    outcomes = replying(text).function("f").map([[1], [2], [3]])
    assert len(outcomes) == 3
    assert outcomes[1:] == [Raised("no result")] * 2


def test_outcomes_beyond_the_calls_are_ignored():
    many = json.dumps({"outcomes": [{"value": n} for n in range(9)]})
    assert replying(many).function("f").map([[1], [2]]) == [0, 1]


def test_a_lost_kernel_is_ungradable_and_not_a_wrong_answer():
    def lost(_):
        raise Ungradable("the kernel was lost")

    with pytest.raises(Ungradable, match="was lost"):
        Served(lost, {}, lambda *_: Run(0, "")).function("f").map([[1]])


# plans


def test_a_plan_that_is_not_there_is_not_attempted():
    with pytest.raises(NotAttempted, match="run its cell first"):
        replying('{"missing": "there is no q yet: run its cell first"}').plan("q").relation(b"")


def test_a_plan_comes_as_bytes_and_an_error_as_raised():
    message = base64.b64encode(b"a relation").decode()
    given = replying(json.dumps({"outcome": {"value": message}})).plan("q").relation(b"source")
    assert given == b"a relation"
    failed = replying('{"outcome": {"raised": "no such column"}}').plan("q").relation(b"source")
    assert failed == Raised("no such column")


@pytest.mark.parametrize("text", ["{", "{}", '{"outcome": {"value": 7}}', '{"outcome": 7}'])
def test_a_forged_plan_is_no_relation(text):
    assert isinstance(replying(text).plan("q").relation(b"source"), Raised)


# choices


@pytest.mark.parametrize("namespace", [{}, {"size": ...}])
def test_a_choice_that_is_not_there_or_untouched_is_not_attempted(namespace):
    with pytest.raises(NotAttempted):
        _ = beside(**namespace).choice("size").value


@pytest.mark.parametrize("value", [0, None, "", 7, [1, "a"]])
def test_a_choice_is_read_whatever_it_is(value):
    assert beside(size=value).choice("size").value == value


def test_a_choice_that_is_an_object_is_raised_and_names_its_type():
    assert "SimpleNamespace is not" in beside(size=SimpleNamespace()).choice("size").value.error


def test_the_student_is_the_labs_and_nobody_without_a_lab():
    assert beside(lab=SimpleNamespace(student="ada")).choice("size").student == "ada"
    assert beside().choice("size").student == ""


# workers


class Ended:
    """A workspace whose process has ended so; it notes what it was asked."""

    def __init__(self, run):
        self.ended, self.asked = run, []

    def __call__(self, script):
        self.asked.append(script)
        return nullcontext(self)

    def start(self, env):
        self.asked.append(env)
        return self

    def wait(self, seconds):
        self.asked.append(seconds)
        return self.ended and self.ended.returncode

    def errors(self):
        return self.ended.errors


def worker(script, run):
    return beside({"w": script}, Ended(run)).worker("w")


def test_a_worker_is_run_with_its_text_environment_and_time():
    place = Ended(Run(0, ""))
    assert beside({"w": "print(1)"}, place).worker("w").run({"A": "1"}, 5) == Run(0, "")
    assert place.asked == ["print(1)", {"A": "1"}, 5]


def test_a_worker_that_does_not_end_is_ungradable():
    with pytest.raises(Ungradable, match="did not end within 5 s"):
        worker("x", None).run({}, 5)


@pytest.mark.parametrize("script", ["", " \n"])
def test_a_worker_without_text_is_not_attempted(script):
    with pytest.raises(NotAttempted, match="no cell that starts with %%worker w"):
        worker(script, Run(0, "")).run({})


def test_only_a_worker_that_failed_by_it_raises_not_implemented():
    with pytest.raises(NotAttempted, match="still raises"):
        worker("x", Run(1, "NotImplementedError")).run({})
    assert worker("x", Run(0, "NotImplementedError: a log line")).run({}).returncode == 0
    assert worker("x", Run(1, "KeyError: 'a'")).run({}) == Run(1, "KeyError: 'a'")
