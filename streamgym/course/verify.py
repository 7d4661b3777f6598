"""Grading the graders: every right answer passes, every wrong one fails as it should."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from types import SimpleNamespace
from typing import Any

from streamgym.checks import Case, Exercise
from streamgym.checks.case import World
from streamgym.checks.labs import course_root, load_exercises
from streamgym.checks.results import Result, Verdict
from streamgym.checks.seeds import seed_of
from streamgym.checks.served import Served
from streamgym.course.answers import Labelled, load_answers
from streamgym.course.source import Cell, Source, read_source
from streamgym.lab.scripts import workspace
from streamgym.lab.serve import serve

Namespace = Mapping[str, Any]
AT_ONCE = 4
"""How many answers are tried at a time: most of them wait for a system, or for a process."""

STUDENTS = ("ada", "ben", "chen", "dara", "eli")
"""Names that seed the variants of *choice* questions, one a seed."""


@dataclass(frozen=True)
class Trial:
    """One answer to try: what must come of it, and its script or variables."""

    exercise: Exercise
    name: str
    due: str
    meets: Callable[[Result], str]
    script: str = ""
    namespace: Callable[[str], Namespace] = lambda _: {}


@dataclass(frozen=True)
class Outcome:
    """A trial over so many seeds; ``complaints`` says for which seed what went wrong."""

    lab: str
    trial: Trial
    seeds: int
    complaints: list[str]


def verify(labs: Iterable[str], world: World, seeds: int = 5, only: str = "") -> Iterator[Outcome]:
    """Try every answer of these labs over so many seeds; yield each answer's outcome, in order.

    ``only`` names one exercise. All answers to it are tried on one seed, then on the next: so the
    data of a seed need be drawn only once.
    """
    exercises = [
        (lab, list(some))
        for lab in labs
        for name, some in groupby(trials(lab), lambda trial: trial.exercise.name)
        if only in ("", name)
    ]
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        begun = [
            [[pool.submit(_complaint, trial, world, n) for trial in some] for n in range(seeds)]
            for _, some in exercises
        ]
        for (lab, some), on_seeds in zip(exercises, begun, strict=True):
            found = [[future.result() for future in futures] for futures in on_seeds]
            for trial, complaints in zip(some, zip(*found, strict=True), strict=True):
                yield Outcome(lab, trial, seeds, [text for text in complaints if text])
    finally:
        pool.shutdown(cancel_futures=True)


def trials(lab: str) -> list[Trial]:
    """Return all that must be tried for a lab."""
    source = read_source(course_root() / "solutions" / lab / "lab.py")
    labelled = load_answers(course_root() / "solutions" / lab / "answers.py")
    exercises = load_exercises(lab)
    return [
        trial
        for exercise in exercises.values()
        for trial in _of_exercise(exercise, source, labelled)
    ]


def shortages(lab: str) -> list[str]:
    """Say which exercises have too few right or wrong answers to prove anything."""
    found = trials(lab)
    lacking = []
    for name in load_exercises(lab):
        dues = [trial.due for trial in found if trial.exercise.name == name]
        if dues.count("passes") < 2:
            lacking.append(f"{name} has fewer than two right answers")
        if not any(due.startswith("fails") for due in dues):
            lacking.append(f"{name} has no wrong answer")
    return lacking


def _complaint(trial: Trial, world: World, number: int) -> str:
    """Try an answer on one seed; what is ungradable is tried once more, as a grading does."""
    result = _graded(trial, world, number)
    if result.verdict is Verdict.UNGRADABLE:
        result = _graded(trial, world, number)
    complaint = trial.meets(result)
    return f"seed {number}: {complaint}" if complaint else ""


def _graded(trial: Trial, world: World, number: int) -> Result:
    namespace = trial.namespace(STUDENTS[number % len(STUDENTS)])
    scripts = {trial.exercise.name: trial.script}
    answers = Served(lambda request: serve(request, namespace), scripts, workspace)
    seed = seed_of("verify", trial.exercise.name, str(number))
    with Case(seed, world) as case:
        return trial.exercise.grade(answers, case)


def _of_exercise(exercise: Exercise, source: Source, labelled: list[Labelled]) -> Iterator[Trial]:
    cell = source.answer(exercise.name)
    yield _from_text(exercise, "the starter", source, cell.starter, "not attempted", _untouched)
    yield _from_text(exercise, "the reference", source, cell.reference, "passes", _passed)
    for one in labelled:
        if one.exercise.name == exercise.name:
            yield _from_label(exercise, one, cell)


def _from_text(
    exercise: Exercise,
    name: str,
    source: Source,
    text: str,
    due: str,
    meets: Callable[[Result], str],
) -> Trial:
    if exercise.kind == "worker":
        return Trial(exercise, name, due, meets, script=text.partition("\n")[2])
    code = compile(_imports(source) + "\n" + text, f"{exercise.name}, {name}", "exec")

    def executed(student: str) -> Namespace:
        namespace = _variant(exercise, student)
        exec(code, namespace)
        return namespace

    return Trial(exercise, name, due, meets, namespace=executed)


def _variant(exercise: Exercise, student: str) -> dict[str, Any]:
    """Return what a notebook of this student has at hand: the lab, and the variant if any."""
    task = exercise.task_for(student) if exercise.task else {}
    return {"lab": SimpleNamespace(student=student), "task": task}


def _imports(source: Source) -> str:
    """Return the import lines of the source's code cells that are not answers."""
    code = [cell for cell in source.cells if cell.kind == "code" and not cell.solution]
    lines = [line for cell in code for line in cell.text.splitlines()]
    return "\n".join(x for x in lines if x.startswith(("import ", "from ")) and "__" not in x)


def _from_label(exercise: Exercise, one: Labelled, cell: Cell) -> Trial:
    due = "passes" if one.is_right else f"fails: {one.fails}, hint {one.hint}"
    meets = _passed if one.is_right else _fails_as(one)
    if exercise.kind == "worker":
        script = one.answer(cell.reference.partition("\n")[2])
        return Trial(exercise, one.name, due, meets, script=script)

    def labelled(student: str) -> Namespace:
        variant = _variant(exercise, student)
        answer = one.answer(variant["task"]) if exercise.kind == "choice" else one.answer
        return {**variant, exercise.name: answer}

    return Trial(exercise, one.name, due, meets, namespace=labelled)


def _untouched(result: Result) -> str:
    return "" if result.verdict is Verdict.NOT_ATTEMPTED else f"was {result.verdict}"


def _passed(result: Result) -> str:
    if result.verdict is Verdict.PASSED:
        return ""
    failed = [f"{e.name} ({e.evidence[:1]})" for e in result.expectations if not e.passed]
    return f"was {result.verdict}: {result.reason}{'; '.join(failed)}"


def _fails_as(one: Labelled) -> Callable[[Result], str]:
    def meets(result: Result) -> str:
        failed = {e.name: e.hint for e in result.expectations if not e.passed}
        if result.verdict is not Verdict.FAILED:
            return f"was {result.verdict}: {result.reason}"
        if one.fails not in failed:
            return f"did not fail at {one.fails!r} but at {list(failed)}"
        if failed[one.fails] != one.hint:
            return f"earned hint {failed[one.fails]}, not {one.hint}"
        return ""

    return meets
