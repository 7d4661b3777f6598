"""The commands of instructors, besides ``streamgym grade``: one thin command per verb."""

import getpass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from streamgym.errors import StreamgymError

commands = typer.Typer()
out, err = Console(), Console(stderr=True)

Results = Annotated[
    Path, typer.Argument(exists=True, file_okay=False, help="the folder that --out named")
]
Rules = Annotated[
    Path | None, typer.Option("--course", exists=True, dir_okay=False, help="the course.toml")
]
Lab = Annotated[str, typer.Argument(help="such as 03 or 03_windowing")]

SHOWN = 50
"""How many pairs of similar submissions are listed."""


class Format(StrEnum):
    """Whose columns an export has."""

    CANVAS = "canvas"
    MOODLE = "moodle"
    NBGRADER = "nbgrader"


@commands.command()
def regrade(
    results: Results,
    lab: Lab,
    exercise: Annotated[str, typer.Argument(help="its name, such as tumbling")],
    why: Annotated[str, typer.Option(help="the reason, for the history")] = "",
    jobs: Annotated[int, typer.Option(min=1, help="submissions graded at a time")] = 1,
    no_sandbox: Annotated[
        bool, typer.Option("--no-sandbox", help="run submissions without protection")
    ] = False,
) -> None:
    """Grade one exercise anew after its check was mended; nothing else is touched.

    Example: streamgym regrade grades 03 tumbling --why "accepts both ends"
    """
    from streamgym.checks.labs import lab_called
    from streamgym.grading.regrade import regrade as grade_anew

    done = grade_anew(
        results, lab_called(lab), exercise, why=why, jobs=jobs, sandbox=not no_sandbox
    )
    table = Table("student", "was", "is", title=exercise)
    for row, new in done.results:
        old = next((r for r in row.results if r.exercise == exercise), None)
        was = f"{old.verdict}, {old.points:g}" if old else ""
        table.add_row(row.student, was, f"{new.verdict}, {new.points:g}")
    out.print(table, markup=False)
    for line in done.left_out:
        err.print(line, style="red", markup=False, highlight=False)
    raise typer.Exit(1 if done.left_out else 0)


@commands.command()
def comment(
    results: Results,
    student: Annotated[str, typer.Argument(help="as the gradebook calls them")],
    exercise: Annotated[str, typer.Argument(help="its name; the whole submission if none")] = "",
    text: Annotated[str | None, typer.Option(help="what the student reads; '' removes it")] = None,
    points: Annotated[float | None, typer.Option(help="count instead of the grader's")] = None,
    no_points: Annotated[
        bool, typer.Option("--no-points", help="let the grader's points count again")
    ] = False,
    by: Annotated[str, typer.Option(help="your name")] = "",
) -> None:
    """Say something about an answer, or give it other points; both survive a regrade.

    Example: streamgym comment grades ada tumbling --points 8 --text "Right but for negative times"
    """
    from streamgym.grading import reports
    from streamgym.grading.remarks import changed

    book = reports.opened(results)
    course = reports.course_of(book)
    row = reports.row_of(book, student, exercise)
    remark = changed(row, exercise, text, points, no_points, by or getpass.getuser())
    book.remark(row, exercise, remark)
    reports.write(results, course)
    out.print(f"kept; {results / 'gradebook.csv'} and the pages are written anew", highlight=False)


@commands.command()
def history(
    results: Results,
    student: Annotated[str, typer.Argument(help="everybody, if none")] = "",
) -> None:
    """Show who got which points when, from whom, and why. Example: streamgym history grades ada"""
    from streamgym.grading import reports

    when = Column("when (UTC)", no_wrap=True, min_width=16)
    titles = ("student", "exercise", "what", "points", "by", "reason")
    table = Table(when, *(Column(title, overflow="fold") for title in titles))
    for e in reports.opened(results).history(student):
        what = f"{e.kind}: {e.verdict}" if e.verdict else e.kind
        points = "" if e.points is None else f"{e.points:g}"
        at = e.at[:16].replace("T", " ")
        table.add_row(at, e.student, e.exercise or "(all)", what, points, e.by, e.text)
    out.print(table, markup=False)


@commands.command()
def report(results: Results, course: Rules = None) -> None:
    """Write the reports anew, such as after a change of due dates; nothing is graded.

    Example: streamgym report grades --course course.toml
    """
    from streamgym.grading import reports

    book = reports.opened(results)
    marks = reports.write(results, reports.course_of(book, course))
    out.print(f"{len(marks)} rows in {results / 'gradebook.csv'}", highlight=False)


@commands.command()
def export(
    results: Results,
    to: Annotated[Format, typer.Option("--format", help="whose columns")],
    course: Rules = None,
    template: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="a gradebook exported from Canvas"),
    ] = None,
) -> None:
    """Write the marks that count as a CSV file for a learning-management system.

    Example: streamgym export grades --format canvas --template canvas.csv
    """
    from streamgym.grading import exports, reports
    from streamgym.grading.marks import marks

    if template and to is not Format.CANVAS:
        raise StreamgymError(f"--template is for Canvas: {to} needs none")
    book = reports.opened(results)
    rules = reports.course_of(book, course)
    finals = exports.Finals.of(marks(book.rows(), rules))
    formats = {Format.MOODLE: exports.moodle, Format.NBGRADER: exports.nbgrader}
    write = formats.get(to, partial(exports.canvas, template=template))
    made = write(finals, rules)
    out.print(exports.write(results / f"{to}.csv", made.lines), highlight=False)
    for student in made.left_out:
        err.print(f"left out, as nobody there fits: {student}", markup=False, highlight=False)
    raise typer.Exit(1 if made.left_out else 0)


@commands.command()
def similar(
    paths: Annotated[
        list[Path], typer.Argument(exists=True, help="notebooks, folders and zip files of them")
    ],
    lab: Annotated[str, typer.Option(help="such as 03 or 03_windowing")],
    threshold: Annotated[float, typer.Option(min=0, max=1, help="how alike, 0 to 1")] = 0.9,
) -> None:
    """List pairs of submissions that resemble each other, for you to look at.

    Example: streamgym similar submissions/ --lab 03
    """
    from tempfile import TemporaryDirectory

    from streamgym.checks.labs import lab_called
    from streamgym.grading.found import find
    from streamgym.grading.similar import pairs

    with TemporaryDirectory(prefix="streamgym-") as folder:
        submissions = [found.read() for found in find(paths, Path(folder))]
    found = pairs(submissions, lab_called(lab), threshold)
    title = f"{len(found)} pairs" + (f", the first {SHOWN}" if len(found) > SHOWN else "")
    table = Table("similar", "submission", "and", "answers", title=title)
    for pair in found[:SHOWN]:
        answers = ", ".join(f"{name} {share:.0%}" for name, share in pair.answers.items())
        table.add_row(f"{pair.similarity:.0%}", pair.first, pair.second, answers)
    out.print(table, markup=False)
    out.print(
        "Similar is not copied: a short exercise has few right answers, and people learn together. "
        "Look at both yourself, and ask before you judge.",
        highlight=False,
    )
