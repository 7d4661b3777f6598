"""Submissions a minute beside nbgrader and otter-grader, and a bare papermill run as the floor.

All grade the same ten notebooks with the five function exercises of lab 03, with as many checks,
one after the other in one run. nbgrader grades all in one process, otter-grader each in its own
(``otter run``, without containers), as they do by themselves; ours runs two at a time, each in a
sandbox. Every grader must find the same exercises right. Each peer lives in an environment of its
own, made from ``peers/NAME.txt`` in the cache. Aim: 1.5 times nbgrader's, 5 times otter-grader's.
"""

import base64
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbformat.v4 import new_code_cell, new_notebook
from platformdirs import user_cache_path

from streamgym.checks.case import Case
from streamgym.checks.labs import course_root, load_exercises
from streamgym.checks.results import Verdict
from streamgym.course.source import read_source
from streamgym.course.world import OwnWorld
from streamgym.grading.batch import grade_all

HERE = Path(__file__).parent / "peers"
LAB = "03_windowing"
STUDENTS = 10
SETUP = """from datetime import UTC, datetime, timedelta

from streamgym.data.windows import EPOCH
from streamgym.lab import Lab

lab = Lab("03_windowing", student="ada")
"""
PEER_SETUP = """from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""
SOURCE = read_source(course_root() / "solutions" / LAB / "lab.py")
EXERCISES = [e for e in load_exercises(LAB).values() if e.kind == "function"]
Checks = dict[str, list[str]]
"""The test cells of each exercise, for the peers."""


def main() -> None:
    """Grade with each, and print submissions a minute, and ratios."""
    checks = recorded()
    print(f"{STUDENTS} submissions, {sum(map(len, checks.values()))} checks each")
    found = {}
    for name, work in (
        ("bare papermill", by_papermill),
        ("nbgrader", by_nbgrader),
        ("otter-grader", by_otter),
        ("streamgym --jobs 2", by_streamgym),
    ):
        with tempfile.TemporaryDirectory() as folder:
            found[name] = work(Path(folder), checks)
        print(f"{name:20} {found[name]:6.1f} s, {60 * STUDENTS / found[name]:5.1f} a minute")
    ours = found.pop("streamgym --jobs 2")
    for name, seconds in found.items():
        print(f"ours is {seconds / ours:.2f} times as fast as {name}")


class Recording:
    """The reference's answer, which notes all calls and what is due."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.calls: list[tuple[Any, Any]] = []

    def map(self, calls: Sequence[Sequence[Any]]) -> list[Any]:
        """Answer as an exercise's check asks."""
        answers = [self._function(*call) for call in calls]
        self.calls += plain(list(zip(calls, answers, strict=True)))
        return answers


def plain(value: Any) -> Any:
    """Return a value whose times are of Python's own UTC: the peers have no pytz."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return type(value)(map(plain, value)) if isinstance(value, list | tuple) else value


def recorded() -> Checks:
    """Return test cells that ask what our checks ask, as many as our checks are."""
    return {exercise.name: list(_cells(exercise)) for exercise in EXERCISES}


def _cells(exercise: Any) -> Iterator[str]:
    namespace: dict[str, Any] = {}
    exec(PEER_SETUP + SOURCE.answer(exercise.name).reference, namespace)
    asked = Recording(namespace[exercise.name])
    with OwnWorld() as world, Case(1, world) as case:
        names = {expectation.name for expectation in exercise.check(asked, case)}
    for number in range(len(names)):
        data = base64.b64encode(pickle.dumps(asked.calls[number :: len(names)])).decode()
        yield (
            f"import base64, pickle\nfor given, due in pickle.loads(base64.b64decode({data!r})):\n"
            f"    assert {exercise.name}(*given) == due"
        )


def answers(student: int) -> dict[str, str]:
    """Return a student's answers: every second has one of the five wrong."""
    texts = {e.name: SOURCE.answer(e.name).reference for e in EXERCISES}
    if name := wrong(student):
        texts[name] = f"def {name}(*given):\n    return None"
    return texts


def wrong(student: int) -> str:
    """Return which exercise a student has wrong; empty when none."""
    return EXERCISES[student // 2 % len(EXERCISES)].name if student % 2 else ""


def require_right(student: int, passed: set[str]) -> None:
    """Make sure that a grader found what is right and what is wrong."""
    due = {exercise.name for exercise in EXERCISES} - {wrong(student)}
    assert passed == due, (student, passed)


def by_streamgym(folder: Path, _: Checks) -> float:
    """Grade with ours, two at a time."""
    for student in range(STUDENTS):
        cells = [SETUP, *answers(student).values()]
        notebook = new_notebook(cells=[new_code_cell(text) for text in cells])
        nbformat.write(notebook, folder / f"{student}.ipynb")
    began = time.perf_counter()
    rows = grade_all([folder], folder / "out", jobs=2, progress=False)
    seconds = time.perf_counter() - began
    for row in rows:
        passed = {r.exercise for r in row.results if r.verdict is Verdict.PASSED}
        require_right(int(row.student), passed)
    return seconds


def by_papermill(folder: Path, checks: Checks) -> float:
    """Only run the notebooks with all checks in them, one after the other."""
    for student in range(0, STUDENTS, 2):  # a wrong answer would end the run
        write(folder / f"{student}.ipynb", [(text, {}) for text in _flat(student, checks)])
    began = time.perf_counter()
    for path in sorted(folder.glob("*.ipynb")):
        papermill.execute_notebook(path, folder / "out.ipynb", progress_bar=False)
    return (time.perf_counter() - began) * 2


def _flat(student: int, checks: Checks) -> list[str]:
    texts = [PEER_SETUP]
    for name, answer in answers(student).items():
        texts += [answer, *checks[name]]
    return texts


def by_nbgrader(folder: Path, checks: Checks) -> float:
    """Autograde with nbgrader."""
    run = peer("nbgrader", "nbgrader")
    write(folder / "source" / "ps1" / "lab.ipynb", list(_graded_cells(0, checks)))
    (folder / "nbgrader_config.py").write_text("c = get_config()\n")
    run(folder, "generate_assignment", "ps1")
    for student in range(STUDENTS):
        path = folder / "submitted" / str(student) / "ps1" / "lab.ipynb"
        write(path, list(_graded_cells(student, checks)))
    began = time.perf_counter()
    run(folder, "autograde", "ps1")
    seconds = time.perf_counter() - began
    for student in range(STUDENTS):
        path = folder / "autograded" / str(student) / "ps1" / "lab.ipynb"
        cells = nbformat.read(path, as_version=4).cells
        failed = {
            cell.metadata.nbgrader.grade_id.partition("-")[0]
            for cell in cells
            if cell.cell_type == "code" and any(o.output_type == "error" for o in cell.outputs)
        }
        require_right(student, {exercise.name for exercise in EXERCISES} - failed)
    return seconds


def _graded_cells(student: int, checks: Checks) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the cells of an nbgrader assignment: answers to be kept, tests to be graded."""
    yield PEER_SETUP, _nbgrader("setup", locked=True)
    for name, answer in answers(student).items():
        yield answer, _nbgrader(name, solution=True)
        for number, text in enumerate(checks[name]):
            yield text, _nbgrader(f"{name}-{number}", grade=True, points=1, locked=True)


def _nbgrader(name: str, **marks: Any) -> dict[str, Any]:
    plain = {"grade": False, "solution": False, "locked": False, "task": False}
    return {"nbgrader": {"schema_version": 3, "grade_id": name, **plain, **marks}}


OTTER_TEST = """OK_FORMAT = False

from otter.test_files import test_case

name = "{name}"
points = {points}
"""


def by_otter(folder: Path, checks: Checks) -> float:
    """Grade with otter-grader, one process for each submission."""
    run = peer("otter-grader", "otter")
    tests = folder / "tests"
    tests.mkdir()
    for name, cells in checks.items():
        text = OTTER_TEST.format(name=name, points=len(cells))
        for number, cell in enumerate(cells):
            body = "\n".join(f"    {line}" for line in cell.splitlines())
            text += f"\n\n@test_case(points=1)\ndef test_{number}({name}):\n{body}\n"
        (tests / f"{name}.py").write_text(text)
    run(folder, "generate", "-t", "tests", "-o", "autograder.zip", "--no-environment")
    for student in range(STUDENTS):
        cells = [(text, {}) for text in (PEER_SETUP, *answers(student).values())]
        write(folder / f"{student}.ipynb", cells)
    began = time.perf_counter()
    for student in range(STUDENTS):
        out = folder / "out" / str(student)
        out.mkdir(parents=True)
        run(folder, "run", "-a", "autograder.zip", "-o", str(out), "--no-logo", f"{student}.ipynb")
    seconds = time.perf_counter() - began
    for student in range(STUDENTS):
        results = json.loads((folder / "out" / str(student) / "results.json").read_text())
        scores = {t["name"]: t["score"] for t in results["tests"] if "score" in t}
        passed = {name for name, cells in checks.items() if scores.get(name) == len(cells)}
        require_right(student, passed)
    return seconds


def peer(name: str, program: str) -> Callable[..., None]:
    """Return what runs a peer's program in a folder; its environment is made when it is not there.

    The environment lies in the cache, and is that of ``peers/NAME.txt``.
    """
    pins = HERE / f"{name}.txt"
    environment = user_cache_path("streamgym") / "peers" / name
    if not (environment / ".ready").exists():
        uv = str(Path(sys.executable).with_name("uv"))
        shutil.rmtree(environment, ignore_errors=True)
        subprocess.run([uv, "venv", "-q", "-p", sys.executable, environment], check=True)
        install = [uv, "pip", "install", "-q", "--require-hashes", "-r", pins]
        subprocess.run(install, check=True, env={**os.environ, "VIRTUAL_ENV": str(environment)})
        (environment / ".ready").touch()

    def run(folder: Path, *arguments: str) -> None:
        path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
        command = [environment / "bin" / program, *arguments]
        done = subprocess.run(
            command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr[-2000:]}")

    return run


def write(path: Path, cells: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Write a notebook of code cells with their metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    made = [new_code_cell(text, metadata=metadata) for text, metadata in cells]
    nbformat.write(new_notebook(cells=made, metadata=kernel), path)


if __name__ == "__main__":
    main()
