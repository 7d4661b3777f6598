"""Grading one notebook: run it in its world, then judge each exercise on secret data."""

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from kafka.errors import KafkaError

from streamgym.checks import Case, Exercise
from streamgym.checks.labs import load_exercises, source_of_checks
from streamgym.checks.results import Result, Verdict
from streamgym.checks.seeds import seed_of
from streamgym.checks.served import Served
from streamgym.errors import StreamgymError
from streamgym.grading.kernel import KernelLost
from streamgym.grading.roster import fold
from streamgym.grading.run import NotebookRun, Watch
from streamgym.grading.submission import names, workers
from streamgym.grading.world import GradingWorld

WORLD_FAILS = (StreamgymError, KernelLost, KafkaError)
"""What is raised when a system of the grader's fails, whatever the submission did."""


@dataclass(frozen=True)
class Grading:
    """Whose notebook is graded, for which lab, with which secret seed, and where.

    ``names`` are those that the notebook may give as its student's (see
    :attr:`.roster.Person.names`); with any other, variants are those of ``student``. Without
    ``names`` it may give any. ``only`` is the one exercise to be judged; all if empty.
    """

    lab: str
    student: str
    secret: str
    world: GradingWorld
    names: frozenset[str] = frozenset()
    only: str = ""

    def judge(self, cells: Sequence[Any], watch: Watch) -> list[Result]:
        """Run these cells, whose outputs are replaced, and return a result for each exercise.

        Workers are judged when the kernel is gone, which could do their work for them.

        Raises:
            StreamgymError, KernelLost, KafkaError: a system of the world failed.
        """
        run = NotebookRun(cells, self.world.kernel, watch, self.world.limits)
        scripts = workers(cell.source for cell in cells if cell.cell_type == "code")
        answers = Served(run.ask, scripts, self.world.workspace, self._whose)
        exercises = [e for e in load_exercises(self.lab).values() if self.only in ("", e.name)]
        with closing(run):
            run.run()
            found = [self._result(e, run, answers) for e in exercises if e.kind != "worker"]
        found += [self._result(e, run, answers) for e in exercises if e.kind == "worker"]
        by_name = {result.exercise: result for result in found}
        return [by_name[exercise.name] for exercise in exercises]

    def _whose(self, named: str) -> str:
        return named if not self.names or fold(named) in self.names else self.student

    def _grade(self, exercise: Exercise, answers: Served) -> Result:
        seed = seed_of(self.secret, self.lab, exercise.name, self.student)
        with Case(seed, self.world) as case:
            return exercise.grade(answers, case)

    def _result(self, exercise: Exercise, run: NotebookRun, answers: Served) -> Result:
        if why := run.trouble(exercise.name):
            return exercise.without_marks(Verdict.UNGRADABLE, why)
        result = self._grade(exercise, answers)
        error = run.error(exercise.name)
        if result.verdict is not Verdict.NOT_ATTEMPTED or not error:
            return result
        raised = f"its cell raised {error}"
        if before := run.trouble_before(exercise.name):
            return exercise.without_marks(Verdict.UNGRADABLE, f"{raised}; above it, {before}")
        return exercise.without_marks(Verdict.FAILED, raised)


def in_lasting_world(
    lab: str,
    worlds: Iterable[Callable[[], GradingWorld]],
    grade: Callable[[GradingWorld], list[Result]],
) -> list[Result]:
    """Return what ``grade`` gives in the first world that lasts; with none, all is ungradable.

    Args:
        lab: the lab whose exercises are graded.
        worlds: how to come by a world that is started, once for each try.
        grade: gives the results; a world that fails under it is replaced by the next.
    """
    why = ""
    for come_by in worlds:
        try:
            with closing(come_by()) as world:
                results = grade(world)
                why = world.lost()
        except WORLD_FAILS as error:
            why = str(error)
        if not why:
            return results
    return [e.without_marks(Verdict.UNGRADABLE, why) for e in load_exercises(lab).values()]


def needed(lab: str, code: Sequence[str]) -> set[str]:
    """Return which systems a notebook is to have from the beginning: those that it names.

    Plans and streaming queries need Spark, and Spark what their checks feed them from. What only a
    check needs is started when it does.
    """
    text = "\n".join(code).lower()
    defined = {name for cell in code for name in names(cell)}
    exercises = load_exercises(lab).values()
    plans = any(e.kind in ("plan", "query") and e.name in defined for e in exercises)
    spark = plans or "spark" in text
    topics = text + (source_of_checks(lab).lower() if spark else "")
    named = {
        "kafka": re.search("kafka|topic|%%worker", topics),
        "spark": spark,
        "postgres": "postgres" in text or "database_url" in text,
    }
    return {name for name, is_named in named.items() if is_named}
