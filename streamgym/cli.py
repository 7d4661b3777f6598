"""The ``streamgym`` command: one thin command per verb."""

import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, track
from rich.table import Table

from streamgym.errors import StreamgymError
from streamgym.grading.commands import Rules
from streamgym.grading.commands import commands as grading

if TYPE_CHECKING:
    from streamgym.course.verify import Outcome

commands = typer.Typer(
    name="streamgym",
    help="Learn stream and batch processing by doing. Example: streamgym up",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
interview = typer.Typer(help="Interview practice. Example: streamgym interview mock")
commands.add_typer(interview, name="interview")
commands.add_typer(grading)
out, err = Console(), Console(stderr=True)

START = "notebooks/00_start.ipynb"
"""What JupyterLab opens."""

Share = Annotated[float, typer.Option(min=0, max=1, help="a share of the events, 0 to 1")]
Seed = Annotated[int | None, typer.Option(help="draws the same figures and questions again")]
Labs = Annotated[list[str] | None, typer.Argument(help="such as 03 or 03_windowing; all if none")]


def app() -> None:
    """Run the command; an error of the user's is one line and exit code 2, Ctrl-C is 130."""
    try:
        commands()
    except StreamgymError as error:
        err.print(f"streamgym: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


@commands.command()
def up() -> None:
    """Start Kafka, Spark and Postgres, to live on until `streamgym down`."""
    from streamgym.stack import shared

    for name in shared.SERVERS:
        with err.status(f"starting {name} …"):
            address = shared.up([name])[name]
        out.print(f"{name:8} {address}", highlight=False)


@commands.command()
def down() -> None:
    """End Kafka, Spark and Postgres; their data stay."""
    from streamgym.stack import shared

    ended = shared.down()
    out.print(f"ended: {', '.join(ended)}" if ended else "nothing was running")


@commands.command()
def status() -> None:
    """Show what runs, where, and how much memory it takes."""
    from streamgym.stack import shared

    rows = [
        [s.name, s.version, s.state, s.address, s.pid or "", f"{s.memory} MB" if s.memory else ""]
        for s in shared.status()
    ]
    _print_table(["system", "version", "state", "address", "process", "memory"], rows)


@commands.command()
def doctor() -> None:
    """Look at what this machine has, and say what to do about what it lacks."""
    from streamgym.stack.doctor import findings

    seen = list(findings())
    rows = [[f.name, f.found, "ok" if f.ok else f.remedy] for f in seen]
    _print_table(["what", "found", "verdict"], rows)
    raise typer.Exit(0 if all(f.ok for f in seen) else 2)


@commands.command()
def setup() -> None:
    """Fetch the jars and prepare fast starts; at once when that is done already."""
    from streamgym.data import flights, journey
    from streamgym.stack.prepare import prepare

    prepare()
    flights.events()
    journey.prepare()


@commands.command()
def lab(
    options: Annotated[list[str] | None, typer.Argument(help="options for jupyter lab")] = None,
) -> None:
    """Start the stack and open JupyterLab; all of it ends with JupyterLab.

    Example: streamgym lab -- --no-browser --port 8899
    """
    from jupyterlab.labapp import LabApp

    from streamgym.checks.labs import course_root
    from streamgym.stack import shared

    for name in shared.SERVERS:
        with err.status(f"starting {name} …"):
            shared.address(name)
    LabApp.launch_instance(
        [
            f"--ServerApp.root_dir={course_root()}",
            f"--LabApp.default_url=/lab/tree/{START}",
            *(options or []),
        ]
    )


@commands.command()
def build(
    labs: Labs = None,
    check: Annotated[bool, typer.Option(help="write nothing; fail if a notebook is stale")] = False,
) -> None:
    """Make the notebooks of labs from their sources. Example: streamgym build 03"""
    from streamgym.course import build as course

    named = [_lab(name) for name in labs or []]
    if check:
        stale = course.stale(named)
        for path in stale:
            err.print(f"{path} is out of date: run `streamgym build`", highlight=False)
        raise typer.Exit(1 if stale else 0)
    for path in course.build(named):
        out.print(f"wrote {path}", highlight=False)


@commands.command()
def new(name: Annotated[str, typer.Argument(help="NN_topic, such as 30_joins")]) -> None:
    """Start a new lab that builds and verifies as it stands. Example: streamgym new 30_joins"""
    from streamgym.course.new import new_lab

    for path in new_lab(name):
        out.print(f"edit {path}", highlight=False)


@commands.command()
def verify(
    labs: Labs = None,
    seeds: Annotated[int, typer.Option(min=1, help="how many seeds each answer is tried on")] = 5,
    exercise: Annotated[str, typer.Option(help="only this exercise")] = "",
) -> None:
    """Grade the graders: right answers pass, wrong ones earn their check and their hint.

    Example: streamgym verify 03 --seeds 10
    """
    from streamgym.checks.labs import lab_names
    from streamgym.course.verify import shortages, trials
    from streamgym.course.verify import verify as outcomes_of
    from streamgym.course.world import OwnWorld

    names = [_lab(lab) for lab in labs or lab_names()]
    number = sum(exercise in ("", trial.exercise.name) for lab in names for trial in trials(lab))
    wrong = [f"{lab}: {shortage}" for lab in names for shortage in shortages(lab)]
    with OwnWorld() as world:
        outcomes = outcomes_of(names, world, seeds, exercise)
        shown = track(outcomes, "verifying", number, console=err)
        for lab, of_lab in groupby(shown, lambda outcome: outcome.lab):
            wrong += _reported(lab, of_lab)
    for complaint in wrong:
        err.print(complaint, style="red", highlight=False)
    raise typer.Exit(1 if wrong else 0)


def _reported(lab: str, outcomes: "Iterable[Outcome]") -> list[str]:
    """Print a lab's table, and return all complaints."""
    wrong = []
    table = Table("exercise", "answer", "must", "seeds", "verdict", title=lab)
    for outcome in outcomes:
        trial, complaints = outcome.trial, outcome.complaints
        verdict = f"[red]{len(complaints)} misjudged" if complaints else "ok"
        wrong += [f"{lab}: {trial.exercise.name}, {trial.name}: {c}" for c in complaints]
        table.add_row(trial.exercise.name, trial.name, trial.due, str(outcome.seeds), verdict)
    out.print(table)
    return wrong


@commands.command()
def grade(
    paths: Annotated[
        list[Path], typer.Argument(exists=True, help="notebooks, folders and zip files of them")
    ],
    to: Annotated[Path, typer.Option("--out", help="the folder of the results")],
    jobs: Annotated[int, typer.Option(min=1, help="submissions graded at a time")] = 1,
    seed: Annotated[str | None, typer.Option(help="the secret seed; random if not given")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="keep the rows that are there")] = False,
    course: Rules = None,
    dask: Annotated[
        str, typer.Option(help="a Dask scheduler's address; or local, for --jobs processes here")
    ] = "",
    no_sandbox: Annotated[
        bool, typer.Option("--no-sandbox", help="run submissions without protection")
    ] = False,
) -> None:
    """Grade submitted notebooks; every one gets a row, whatever it does.

    A course.toml beside them, or named, says when they are due and who is in the class.

    Example: streamgym grade submissions/ --out grades --jobs 2
    """
    from streamgym.grading.batch import grade_all

    rows = grade_all(
        paths,
        to,
        jobs=jobs,
        seed=seed,
        resume=resume,
        sandbox=not no_sandbox,
        rules=course,
        dask=dask,
    )
    table = Table("student", "lab", "status", "score", "of", title="gradebook")
    for row in rows:
        table.add_row(row.student, row.lab, str(row.status), f"{row.score:g}", f"{row.max_score:g}")
    out.print(table, markup=False)
    out.print(
        f"{to / 'gradebook.csv'}, {to / 'overview.html'} and {to / 'feedback'}", highlight=False
    )


@commands.command()
def check(
    notebook: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="your notebook")],
    watch: Annotated[bool, typer.Option("--watch", help="check again when it is saved")] = False,
) -> None:
    """Grade your own notebook before you hand it in, as your instructor will, on other data.

    Example: streamgym check labs/03_windowing/lab.ipynb --watch
    """
    from streamgym.grading.rehearsal import saves

    for _ in saves(notebook) if watch else [None]:
        try:
            _rehearse(notebook)
        except StreamgymError as error:
            if not watch:
                raise
            err.print(f"streamgym: {error}", style="red", markup=False, highlight=False)
        if watch:
            err.print("checks again when the notebook is saved; Ctrl-C ends this")


def _rehearse(notebook: Path) -> None:
    from streamgym.grading.policy import sandbox_is_available
    from streamgym.grading.rehearsal import rehearse
    from streamgym.lab.cards import ResultCard

    with err.status(f"running {notebook.name} from top to bottom, and judging its answers …"):
        row = rehearse(notebook, sandbox=sandbox_is_available())
    if row.reason:
        raise StreamgymError(row.reason)
    for result in row.results:
        out.print(repr(ResultCard(result)), markup=False, highlight=False)
    out.print(
        f"{row.score:g} of {row.max_score:g} points here. The final data differ: an answer that "
        "is right for every input earns the same there.",
        highlight=False,
    )


@commands.command()
def release(
    to: Annotated[Path, typer.Option("--out", help="a new folder, outside of the course")],
) -> None:
    """Make the package that students get: labs and what they need, no solutions.

    Example: streamgym release --out ../for-students
    """
    from streamgym.course.release import release as make

    number = make(to)
    out.print(f"{number} files in {to}; proven to hold no solution", highlight=False)


@commands.command()
def progress() -> None:
    """Show how far you are with each lab."""
    from streamgym.checks.labs import lab_names, load_exercises
    from streamgym.lab.progress import Progress

    saved = Progress()
    rows = []
    for name in lab_names():
        for exercise in load_exercises(name).values():
            standing = saved.standing(name, exercise.name)
            points = f"{standing.points:g} of {exercise.points:g}"
            rows.append([name, exercise.title, points, standing.verdict, standing.attempts])
    _print_table(["lab", "exercise", "points", "verdict", "attempts"], rows)


@commands.command()
def seed(
    to: Annotated[str, typer.Option(help="kafka, postgres or parquet")] = "postgres",
    scale: Annotated[float, typer.Option(min=0.01, max=1000, help="1 is 11,500 records")] = 1,
    number: Annotated[int, typer.Option("--seed", help="the same seed, the same bytes")] = 1,
    folder: Annotated[Path | None, typer.Option("--out", help="the folder, for parquet")] = None,
    duplicates: Share = 0,
    late: Share = 0,
    malformed: Share = 0,
) -> None:
    """Load the ekart shop, or go on with it: a repeat neither doubles nor loses a record.

    Example: streamgym seed --to kafka --scale 10 --late 0.02 --duplicates 0.01
    """
    from streamgym.data import seeding
    from streamgym.data.ekart import Ekart

    shop = Ekart(number, scale, *(round(share * 10**6) for share in (duplicates, late, malformed)))
    sink, place = seeding.open_sink(to, shop, folder)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with sink, Progress(*columns, console=err) as bar:
        task = bar.add_task("records")
        try:
            loaded = seeding.load(sink, lambda n, of: bar.update(task, completed=n, total=of))
        except KeyboardInterrupt:
            bar.console.print("stopped: the same command goes on where it was")
            raise
    speed = f", {loaded.new / loaded.seconds:,.0f} records/s" if loaded.new else ""
    said = f"{place}: {loaded.records:,} records, {loaded.new:,} of them new{speed}"
    out.print(said, highlight=False, markup=False, soft_wrap=True)


@interview.callback(invoke_without_command=True)
def practise(
    context: typer.Context,
    number: Annotated[int, typer.Option(min=1, help="how many cards at most")] = 10,
) -> None:
    """Interview practice: the flash cards that are due today.

    Example: streamgym interview --number 5
    """
    from streamgym.interview import terminal
    from streamgym.interview.deck import Deck

    if context.invoked_subcommand is None:
        _require_terminal()
        terminal.practise(out, Deck(), number)


@interview.command("list")
def list_questions() -> None:
    """Show all questions, and the labs in which their answers can be seen."""
    from streamgym.interview import terminal

    out.print(terminal.listed())


@interview.command()
def show(number: Annotated[int, typer.Argument(help="of the question")]) -> None:
    """Show a question and its answer. Example: streamgym interview show 4"""
    from streamgym.interview import terminal
    from streamgym.interview.questions import question

    out.print(terminal.card(question(number)))


@interview.command()
def mock(seed: Seed = None) -> None:
    """Hold a mock interview of 30 minutes. Example: streamgym interview mock"""
    from streamgym.interview import terminal
    from streamgym.interview.deck import Deck

    _require_terminal()
    terminal.interview(out, Deck(), Random(seed))


@interview.command()
def scenario(
    name: Annotated[str, typer.Argument(help="shop, iot or trading")], seed: Seed = None
) -> None:
    """Design a system; its arithmetic is checked. Example: streamgym interview scenario iot"""
    from streamgym.interview import scenarios, terminal

    drawn = scenarios.draw(name, Random(seed))
    _require_terminal()
    terminal.design(out, drawn)


def _require_terminal() -> None:
    if not sys.stdin.isatty():
        raise StreamgymError("this asks you questions: run it on a terminal")


def _lab(name: str) -> str:
    from streamgym.checks.labs import lab_called

    return lab_called(name)


def _print_table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    table = Table(*titles)
    for row in rows:
        table.add_row(*map(str, row))
    out.print(table)
