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

from streamgym.errors import StreamgymError
from streamgym.grading import overview, submission
from streamgym.grading.grade import needed
from streamgym.grading.gradebook import Gradebook, Row
from streamgym.grading.grader import Grader
from streamgym.grading.policy import require_sandbox
from streamgym.grading.run import Limits
from streamgym.grading.submission import Submission
from streamgym.grading.worlds import Ways, Worlds

LIMITS = Limits()


def grade_all(
    paths: Iterable[Path],
    out: Path,
    *,
    jobs: int = 1,
    seed: str | None = None,
    resume: bool = False,
    sandbox: bool = True,
    limits: Limits = LIMITS,
    progress: bool = True,
) -> list[Row]:
    """Grade all submissions among ``paths`` and return their rows, by student.

    ``out`` gets ``gradebook.csv``, ``overview.html``, ``feedback/NAME.html``, ``results.sqlite``
    and the secret seed. A grading that was stopped goes on with ``resume``, and its seed.

    Args:
        paths: notebooks, and folders or zip files of them (see :func:`.submission.find`).
        out: the folder of the results.
        jobs: how many submissions are graded at a time.
        seed: the secret seed; random when None.
        resume: keep the rows that are there.
        sandbox: False runs the submissions without protection, and says so in every row.
        limits: how long a submission may take.
        progress: whether to show a bar on standard error.

    Raises:
        StreamgymError: there is no sandbox, no submission, or another seed in ``out``.
    """
    if sandbox:
        require_sandbox()
    found = submission.find(paths, out / "unpacked")
    if not found:
        raise StreamgymError(
            "no submissions there: name notebooks, or folders or zip files that hold some"
        )
    out.mkdir(parents=True, exist_ok=True)
    grader = Grader(out, _secret(out, seed, resume), sandbox, limits)
    if not resume:
        grader.forget()
    with _bar(len(found), progress) as advance:
        _grade_each(found, grader, jobs, advance)
    grader.book.write_csv()
    rows = grader.book.rows()
    overview.write(out, rows)
    return rows


def _grade_each(
    found: Sequence[tuple[str, Path]], grader: Grader, jobs: int, advance: Callable[[], None]
) -> None:
    """Grade in threads; the world of one more submission is started meanwhile."""
    worlds = Worlds(jobs, grader.sandboxed)
    ahead = BoundedSemaphore(jobs + 1)

    def grade(submitted: Submission, ways: Ways) -> None:
        row = grader.grade(submitted, ways)
        if not worlds.abandoned:
            grader.keep(row, submitted)
            advance()
        ahead.release()

    def submit(submitted: Submission) -> Future[None]:
        ahead.acquire()
        readable = not submitted.reason
        ways = worlds.ways(needed(submitted.lab, submitted.code)) if readable else ()
        return pool.submit(grade, submitted, ways)

    with ThreadPoolExecutor(jobs) as pool:
        try:
            for graded in [submit(each) for each in _to_grade(found, grader.book, advance)]:
                graded.result()
        except BaseException:
            worlds.abandon()
            raise


def _to_grade(
    found: Sequence[tuple[str, Path]], book: Gradebook, advance: Callable[[], None]
) -> Iterator[Submission]:
    """Read the submissions that have no row yet, one after the other."""
    done = {(row.student, row.digest) for row in book.rows()}
    for student, path in found:
        submitted = submission.read(student, path)
        if (student, submitted.digest) in done:
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
def _bar(total: int, shown: bool) -> Iterator[Callable[[], None]]:
    """Show a progress bar on standard error; give the function that advances it."""
    columns = (TextColumn("grading"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as progress:
        task = progress.add_task("grading", total=total)
        yield lambda: progress.advance(task)
