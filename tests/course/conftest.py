"""A course of its own with one tiny lab, whose files a test can change."""

import pytest

from streamgym.checks.labs import load_exercises

CHECKS = """
from streamgym.checks import Case, Choice, Expectations, Function, exercise, expect


@exercise(title="Twice", points=2, hints=["Add it to itself.", "Not squared.", "Below zero too."])
def double(answer: Function, case: Case) -> Expectations:
    for number in case.rng.sample(range(3, 100), 5):
        (got, below) = answer.map([[number], [-number]])
        yield expect("above zero", got, equals=2 * number, mistakes={2: number**2})
        yield expect("below zero", below, equals=-2 * number, hint=3)


@exercise(
    title="Yours", points=1, hints=["See your task."], task=lambda rng: {"n": rng.random()}
)
def yours(answer: Choice, case: Case) -> Expectations:
    yield expect("your number", answer.value, equals=yours.task_for(answer.student)["n"])
"""

SOURCE = """# ---
# title: Tiny
# chapters: [1]
# questions: []
# minutes: 5
# ---

# %% [markdown]
# # Tiny

# %%
import math

# %%
def double(number):
    # BEGIN SOLUTION
    return math.floor(2 * number)
    # END SOLUTION

# %%
# BEGIN SOLUTION
yours = task["n"]
# STARTER yours = ...
# END SOLUTION
"""

ANSWERS = """
from streamgym.checks.labs import load_exercises
from streamgym.course.answers import right, wrong

double, yours = load_exercises("01_tiny").values()


@right(double)
def by_adding(number):
    return number + number


@wrong(double, misconception="squared", fails="above zero", hint=2)
def squared(number):
    return number**2


@wrong(double, misconception="never below zero", fails="below zero", hint=3)
def absolute(number):
    return abs(2 * number)


@right(yours)
def from_the_task(task):
    return task["n"]


@wrong(yours, misconception="the same for everybody", fails="your number", hint=1)
def fixed(task):
    return 0.5
"""


class Course:
    """The files of the tiny lab; :meth:`change` one and it is read anew."""

    def __init__(self, root):
        self.root = root
        self.checks = root / "labs" / "01_tiny" / "checks.py"
        self.source = root / "solutions" / "01_tiny" / "lab.py"
        self.answers = root / "solutions" / "01_tiny" / "answers.py"
        for path, text in (
            (self.checks, CHECKS),
            (self.source, SOURCE),
            (self.answers, ANSWERS),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def change(self, path, old, new):
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        load_exercises.cache_clear()


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    monkeypatch.setenv("STREAMGYM_COURSE", str(tmp_path))
    load_exercises.cache_clear()
    yield Course(tmp_path)
    load_exercises.cache_clear()
