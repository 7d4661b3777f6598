"""``Lab``: what a learner's notebook talks to."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from IPython import get_ipython
from IPython.display import Code, display

from streamgym.checks import Case, Exercise
from streamgym.checks.case import PROXIES
from streamgym.checks.labs import course_root, load_exercises
from streamgym.checks.payments import Payments
from streamgym.checks.results import Result
from streamgym.checks.seeds import seed_of
from streamgym.checks.served import Served
from streamgym.errors import StreamgymError
from streamgym.faults.actions import Rule
from streamgym.faults.process import Run
from streamgym.faults.sweep import Point, Stage, Trial, run_once
from streamgym.faults.trace import Trace
from streamgym.lab import cards
from streamgym.lab.progress import Progress
from streamgym.lab.scripts import workspace
from streamgym.lab.serve import serve

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession
    from pyspark.sql.connect.streaming.readwriter import DataStreamWriter


class Lab:
    """One lab, as its notebook sees it.

    Args:
        name: the lab's folder, such as ``03_windowing``.
        student: your name; it seeds the data that your answers are tried on, and your variants.
        namespace: where the answers are; the notebook's own variables by default.
    """

    def __init__(
        self, name: str, student: str = "", namespace: Mapping[str, Any] | None = None
    ) -> None:
        self.name = name
        self.student = student
        self.exercises = load_exercises(name)
        self.workers: dict[str, str] = {}
        self.progress_file = Progress()
        self._namespace = namespace
        self._register_magic()

    # Systems

    def kafka(self) -> str:
        """Return the broker's bootstrap servers, starting a broker when none runs."""
        from streamgym.stack import shared

        return shared.address("kafka")

    def spark(self) -> "SparkSession":
        """Return a Spark session, starting a Spark Connect server when none runs."""
        from streamgym.stack import shared
        from streamgym.stack.session import spark_session

        return spark_session(shared.address("spark"))

    def postgres(self) -> str:
        """Return the URL of a database, starting a Postgres when none runs."""
        from streamgym.stack import shared

        return shared.address("postgres")

    def proxy_ports(self) -> list[int]:
        """Return zeros: the Spark of a learner can reach every port."""
        return [0] * PROXIES

    # Workers

    def run(
        self,
        name: str,
        env: dict[str, str],
        crash: Point | None = None,
        rules: Iterable[Rule] = (),
    ) -> Trial:
        """Run a ``%%worker`` cell as a process of its own, and return how it went.

        Args:
            name: the worker's.
            env: environment variables; addresses in it lead through the fault proxy.
            crash: where to kill it; it is then started again.
            rules: what else to do to its requests, such as losing an answer.
        """
        from streamgym.checks import topics

        if "STREAMGYM_GRADING" in os.environ:
            print(f"{name}: run by the grader, on other data")
            return Trial(crash, False, Run(0, ""), {}, Trace())
        release = partial(topics.remove_members, self.kafka())
        stage = Stage(env, release=release)
        return run_once(self.answers.worker(name).workspace, stage, crash, rules=rules)

    def run_query(
        self, query: "Callable[[str], DataStreamWriter]", url: str, crash: Point | None = None
    ) -> Trial:
        """Run a streaming query that writes to a database, to its end, and return how it went.

        Args:
            query: gives the query, not started yet, for the database URL to use.
            url: the database's.
            crash: where to kill the sink; the query is then started again.
        """
        from streamgym.checks import queries

        if "STREAMGYM_GRADING" in os.environ:
            print("the query is run by the grader, on other data")
            return Trial(crash, False, Run(0, ""), {}, Trace())
        return queries.run_once(self, url, lambda at: queries.to_message(query(at)), crash)

    def payments(self) -> Payments:
        """Return a payment service for a worker; when graded, nothing may listen and it is idle."""
        return Payments(listens="STREAMGYM_GRADING" not in os.environ)

    # Exercises

    def check(self, name: str) -> None:
        """Judge your answer to an exercise, show the verdict, and keep your progress."""
        exercise = self._exercise(name)
        if "STREAMGYM_GRADING" in os.environ:
            print(f"{name}: judged by the grader, on other data")
            return
        with cards.checking(exercise) as shown:
            result = self.judge(exercise, shown.progress)
            self.progress_file.record(self.name, result)
            shown.result(result, self)

    def judge(self, exercise: Exercise, progress: Callable[[str], None] = lambda _: None) -> Result:
        """Return the result of your present answer; ``progress`` is told how far it is."""
        seed = seed_of("practice", self.name, exercise.name, self.student)
        with Case(seed, self, progress=progress) as case:
            return exercise.grade(self.answers, case)

    def hint(self, name: str) -> None:
        """Show the next hint for an exercise; the last one stays."""
        exercise = self._exercise(name)
        number = self.progress_file.next_hint(self.name, name, len(exercise.hints))
        display(cards.Hint(number, len(exercise.hints), exercise.hints[number - 1]))

    def task(self, name: str) -> dict[str, Any]:
        """Return your own variant of a question, drawn from your name."""
        return self._exercise(name).task_for(self.student)

    def solution(self, name: str) -> None:
        """Show the reference solution, where ``solutions/`` is present; your progress notes it."""
        from streamgym.course.source import read_source

        self._exercise(name)
        path = course_root() / "solutions" / self.name / "lab.py"
        if not path.exists():
            raise StreamgymError(
                "the solutions are not here: ask your instructor, or lab.hint(...)"
            )
        self.progress_file.saw_solution(self.name, name)
        display(Code(read_source(path).answer(name).reference, language="python"))

    def reset(self, name: str) -> None:
        """Forget your progress with an exercise, and put its starter into a new cell below."""
        self._exercise(name)
        self.progress_file.forget(self.name, name)
        starter = _starter(self.name, name)
        shell = get_ipython()
        if shell and starter:
            shell.set_next_input(starter)
        print(f"{name} is as new" + (": its starter is in the cell below" if starter else ""))

    def progress(self) -> None:
        """Show how far you are with this lab."""
        display(
            cards.ProgressTable(
                [
                    (exercise, self.progress_file.standing(self.name, name))
                    for name, exercise in self.exercises.items()
                ]
            )
        )

    @property
    def answers(self) -> Served:
        """The answers in the notebook."""
        return Served(lambda request: serve(request, self.namespace), self.workers, workspace)

    @property
    def namespace(self) -> Mapping[str, Any]:
        """The variables that the answers are looked up in."""
        if self._namespace is not None:
            return self._namespace
        shell = get_ipython()
        return shell.user_ns if shell else vars(sys.modules["__main__"])

    def _exercise(self, name: str) -> Exercise:
        if name not in self.exercises:
            raise StreamgymError(
                f"there is no exercise {name!r}: choose one of {', '.join(self.exercises)}"
            )
        return self.exercises[name]

    def _register_magic(self) -> None:
        shell = get_ipython()
        if shell:
            shell.register_magic_function(self._worker, "cell", "worker")

    def _worker(self, line: str, cell: str) -> None:
        """Keep this cell as the script of a worker."""
        name = line.strip()
        if not name.isidentifier():
            raise StreamgymError("a worker needs a name: begin the cell with %%worker NAME")
        self.workers[name] = cell
        how = f'lab.check("{name}")' if name in self.exercises else f'lab.run("{name}", ...)'
        print(f"worker {name} is kept as a script; {how} runs it on the broker")


def _starter(lab: str, exercise: str) -> str:
    """Return the starter of an exercise from the learner's notebook as it was handed out."""
    import nbformat

    from streamgym.course.source import defined_in

    path = course_root() / "labs" / lab / "lab.ipynb"
    if not path.exists():
        return ""
    cells = nbformat.read(path, as_version=4).cells
    texts = (cell.source for cell in cells if cell.cell_type == "code")
    return next((text for text in texts if exercise in defined_in(text)), "")
