"""Grading one notebook: run it in its world, then judge each exercise on secret data."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from kafka.errors import KafkaError

from streamgym.checks import Case, Exercise
from streamgym.checks.labs import load_exercises
from streamgym.checks.results import Result, Verdict
from streamgym.checks.seeds import seed_of
from streamgym.checks.served import Served
from streamgym.errors import StreamgymError
from streamgym.grading.kernel import KernelLost
from streamgym.grading.run import Limits, NotebookRun, Watch
from streamgym.grading.submission import workers
from streamgym.grading.world import GradingWorld

WORLD_FAILS = (StreamgymError, KernelLost, KafkaError)
"""What is raised when a system of the grader's fails, whatever the submission did."""


@dataclass(frozen=True)
class Grading:
    """Whose notebook is graded, for which lab, with which secret seed, and where."""

    lab: str
    student: str
    secret: str
    world: GradingWorld
    limits: Limits = field(default_factory=Limits)

    def judge(self, cells: Sequence[Any], watch: Watch) -> list[Result]:
        """Run these cells, whose outputs are replaced, and return a result for each exercise.

        Workers need no kernel: they are judged while the cells are run.

        Raises:
            StreamgymError, KernelLost, KafkaError: a system of the world failed.
        """
        run = NotebookRun(cells, self.world.kernel, watch, self.limits)
        scripts = workers(cell.source for cell in cells if cell.cell_type == "code")
        answers = Served(run.ask, scripts, self.world.workspace)
        exercises = load_exercises(self.lab).values()
        with closing(run), ThreadPoolExecutor(1) as aside:
            workers_meanwhile = {
                exercise.name: aside.submit(self._grade, exercise, answers)
                for exercise in exercises
                if exercise.kind == "worker"
            }
            run.run()
            return [
                self._result(exercise, run, answers, workers_meanwhile.get(exercise.name))
                for exercise in exercises
            ]

    def _grade(self, exercise: Exercise, answers: Served) -> Result:
        seed = seed_of(self.secret, self.lab, exercise.name, self.student)
        with Case(seed, self.world) as case:
            return exercise.grade(answers, case)

    def _result(
        self,
        exercise: Exercise,
        run: NotebookRun,
        answers: Served,
        meanwhile: Future[Result] | None,
    ) -> Result:
        if why := run.trouble(exercise.name):
            return exercise.without_marks(Verdict.UNGRADABLE, why)
        result = meanwhile.result() if meanwhile else self._grade(exercise, answers)
        error = run.error(exercise.name)
        if result.verdict is Verdict.NOT_ATTEMPTED and error:
            return exercise.without_marks(Verdict.FAILED, f"its cell raised {error}")
        return result


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
    """Return which of Spark and Postgres a notebook is to have: those that it names.

    Plans and streaming queries need Spark.
    """
    text = "\n".join(code).lower()
    plans = any(exercise.kind in ("plan", "query") for exercise in load_exercises(lab).values())
    named = {"spark": "spark" in text, "postgres": "postgres" in text or "database_url" in text}
    return {name for name, is_named in named.items() if is_named or (name == "spark" and plans)}
