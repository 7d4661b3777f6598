"""Grading one notebook: run it in its world, then judge each exercise on secret data."""

from collections.abc import Sequence
from typing import Any

from streamgym.checks import Case
from streamgym.checks.labs import load_exercises
from streamgym.checks.results import Result, Verdict
from streamgym.checks.seeds import seed_of
from streamgym.checks.served import Served
from streamgym.grading.run import Limits, NotebookRun, Watch
from streamgym.grading.submission import workers
from streamgym.grading.world import GradingWorld

LIMITS = Limits()


def grade(
    cells: Sequence[Any],
    lab: str,
    student: str,
    secret: str,
    world: GradingWorld,
    watch: Watch,
    limits: Limits = LIMITS,
) -> list[Result]:
    run = NotebookRun(cells, world.kernel, watch, limits)
    try:
        run.run()
        code = [cell.source for cell in cells if cell.cell_type == "code"]
        answers = Served(run.ask, workers(code), world.run_script)
        results = []
        for name, exercise in load_exercises(lab).items():
            if why := run.trouble(name):
                results.append(exercise.without_marks(Verdict.UNGRADABLE, why))
            else:
                with Case(seed_of(secret, lab, name, student), world) as case:
                    results.append(exercise.grade(answers, case))
        return results
    finally:
        run.close()
