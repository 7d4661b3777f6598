"""Grading many submissions: every one gets a row, whatever it does to its world."""

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import BoundedSemaphore

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from streamgym.checks.limits import Limits
from streamgym.errors import StreamgymError
from streamgym.grading import course as courses
from streamgym.grading import reports
from streamgym.grading.course import Course
from streamgym.grading.found import Found, find
from streamgym.grading.gradebook import Gradebook, Row
from streamgym.grading.grader import Grader
from streamgym.grading.policy import require_sandbox
from streamgym.grading.submission import Submission
from streamgym.grading.worlds import Ways, Worlds


def grade_all(
    paths: Iterable[Path],
    out: Path,
    *,
    jobs: int = 1,
    seed: str | None = None,
    resume: bool = False,
    sandbox: bool = True,
    limits: Limits | None = None,
    progress: bool = True,
    rules: Path | None = None,
    dask: str = "",
) -> list[Row]:
    """Grade all submissions among ``paths`` and return their rows, by student.

    ``out`` gets the reports (see :func:`.reports.write`), ``results.sqlite`` and the secret seed.
    A grading that was stopped goes on with ``resume``, and its seed.

    Args:
        paths: notebooks, and folders or zip files of them (see :func:`.found.find`).
        out: the folder of the results.
        jobs: how many submissions are graded at a time.
        seed: the secret seed; random when None.
        resume: keep the rows that are there.
        sandbox: False runs the submissions without protection, and says so in every row.
        limits: what a submission may use, instead of what its lab says.
        progress: whether to show a bar on standard error.
        rules: the ``course.toml``; that beside the submissions when None, if there is one.
        dask: the cluster to grade on (see :func:`.cluster.connected`); this process if empty.

    Raises:
        StreamgymError: there is no sandbox, no cluster, no submission, another seed in ``out``, or
            something wrong with the rules; then nothing was graded.
    """
    if sandbox:
        require_sandbox()
    paths = [*paths]
    named = rules or courses.locate(paths)
    if resume and not named and (out / "results.sqlite").exists():
        named = reports.remembered(Gradebook(out))
    course = courses.read(named) if named else Course()
    found = find(paths, out / "unpacked", course.roster)
    if not found:
        raise StreamgymError(
            "no submissions there: name notebooks, or folders or zip files that hold some"
        )
    out.mkdir(parents=True, exist_ok=True)
    grader = Grader(out, _secret(out, seed, resume), sandbox, course)
    grader.book.remember(reports.COURSE, str(named.absolute()) if named else "")
    if not resume:
        grader.forget()
    with bar(len(found), progress) as advance:
        ungraded = _to_grade(found, grader.book, advance)
        _grade(ungraded, grader, jobs, advance, limits, dask)
    reports.write(out, course)
    return grader.book.rows()


def _grade(
    ungraded: Iterable[Submission],
    grader: Grader,
    jobs: int,
    advance: Callable[[], None],
    limits: Limits | None,
    dask: str,
) -> None:
    def here(submitted: Submission, ways: Ways) -> Callable[[], None]:
        row = grader.grade(submitted, ways)
        return lambda: grader.keep(row)

    def keep(row: Row) -> None:
        grader.keep(row)
        advance()

    if not dask:
        each_in_its_world(ungraded, here, jobs, grader.sandboxed, advance, limits)
        return
    from streamgym.grading import cluster  # Dask takes half a second to import

    with cluster.connected(dask, jobs) as client:
        cluster.grade_on(
            client, ungraded, grader.secret, keep, sandboxed=grader.sandboxed, limits=limits
        )


def each_in_its_world(
    submissions: Iterable[Submission],
    grade: Callable[[Submission, Ways], Callable[[], None]],
    jobs: int,
    sandboxed: bool,
    advance: Callable[[], None],
    limits: Limits | None = None,
) -> None:
    """Grade in threads; the world of one more submission is started meanwhile.

    ``grade`` returns what keeps its result; that is left undone when the grading was stopped. It
    stops when one result cannot be kept.
    """
    worlds = Worlds(jobs, sandboxed, limits)
    ahead = BoundedSemaphore(jobs + 1)

    def graded(submitted: Submission, ways: Ways) -> None:
        try:
            keep = grade(submitted, ways)
            if not worlds.abandoned:
                keep()
                advance()
        except BaseException:
            worlds.abandon()
            raise
        finally:
            ahead.release()

    def submit(submitted: Submission) -> Future[None]:
        readable = not submitted.reason
        ways = worlds.ways(submitted.lab, submitted.code) if readable else ()
        return pool.submit(graded, submitted, ways)

    with ThreadPoolExecutor(jobs) as pool:
        try:
            begun = []
            for each in submissions:
                ahead.acquire()
                if worlds.abandoned:
                    break
                begun.append(submit(each))
            for future in begun:
                future.result()
        except BaseException:
            worlds.abandon()
            raise


def _to_grade(
    found: Sequence[Found], book: Gradebook, advance: Callable[[], None]
) -> Iterator[Submission]:
    """Read the submissions that have no row yet, one after the other."""
    done = {(row.student, row.digest) for row in book.rows()}
    for each in found:
        submitted = each.read()
        if (submitted.student, submitted.digest) in done:
            advance()
        else:
            yield submitted


def _secret(out: Path, seed: str | None, resume: bool) -> str:
    """Return the secret seed, and keep it in a file that only its owner reads."""
    path = out / "seed"
    if resume and path.exists():
        kept = path.read_text()
        if seed not in (None, kept):
            raise StreamgymError(f"{out} was graded with another seed: resume without --seed")
        return kept
    secret = seed or secrets.token_hex(16)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secret)
    return secret


@contextmanager
def bar(total: int, shown: bool) -> Iterator[Callable[[], None]]:
    """Show a progress bar on standard error; give the function that advances it."""
    columns = (TextColumn("grading"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as progress:
        task = progress.add_task("grading", total=total)
        yield lambda: progress.advance(task)
