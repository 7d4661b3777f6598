"""The gradebook: results are kept as they come, in SQLite, and written out as CSV."""

import csv
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from streamgym.checks.results import Result, Verdict

SCHEMA = """
create table if not exists rows (
    student text primary key, path text, digest text, lab text, reason text,
    sandboxed integer, seed text, seconds real, results text
)
"""
COLUMNS = ["student", "lab", "status", "score", "max", "sandbox", "seed", "seconds", "reason"]
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell starts with that a spreadsheet would execute."""


class Status(StrEnum):
    """How far a submission could be graded."""

    GRADED = "graded"
    INCOMPLETE = "incomplete"  # an exercise is ungradable: its points are not known
    UNGRADABLE = "ungradable"


@dataclass(frozen=True)
class Row:
    """What came of one submission.

    ``digest`` identifies the file's bytes, ``seed`` the secret seed without revealing it, and
    ``reason`` says why there are no results. ``seconds`` is what grading took.
    """

    student: str
    path: str
    digest: str
    lab: str
    reason: str
    sandboxed: bool
    seed: str
    seconds: float = 0.0
    results: tuple[Result, ...] = ()

    @property
    def status(self) -> Status:
        """Whether every exercise has a mark, some have, or none."""
        ungradable = [r.verdict is Verdict.UNGRADABLE for r in self.results]
        if all(ungradable):
            return Status.UNGRADABLE
        return Status.INCOMPLETE if any(ungradable) else Status.GRADED

    @property
    def score(self) -> float:
        """The points earned."""
        return round(sum(result.points for result in self.results), 2)

    @property
    def max_score(self) -> float:
        """The points that could be earned."""
        return round(sum(result.max_points for result in self.results), 2)


class Gradebook:
    """The rows of one grading, in ``results.sqlite`` below a folder; threads may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "results.sqlite"
        with self._open() as database:
            database.execute(SCHEMA)

    def clear(self) -> None:
        """Forget all rows."""
        with self._open() as database:
            database.execute("delete from rows")

    def add(self, row: Row) -> None:
        """Keep a row; it replaces an older one of the same student."""
        results = json.dumps([result.as_dict() for result in row.results])
        values = {**vars(row), "results": results}
        names = ", ".join(f":{name}" for name in values)
        with self._open() as database:
            database.execute(
                f"insert or replace into rows ({', '.join(values)}) values ({names})", values
            )

    def rows(self) -> list[Row]:
        """Return all rows, by student."""
        with self._open() as database:
            database.row_factory = sqlite3.Row
            found = database.execute("select * from rows order by student").fetchall()
        return [_row(dict(saved)) for saved in found]

    def write_csv(self) -> Path:
        """Write ``gradebook.csv``, one row per submission, and return its path."""
        rows = self.rows()
        exercises = list(dict.fromkeys(r.exercise for row in rows for r in row.results))
        path = self._folder / "gradebook.csv"
        with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
            writer = csv.writer(file)
            titles = [f"{name} {what}" for name in exercises for what in ("verdict", "points")]
            writer.writerow(COLUMNS + titles)
            for row in rows:
                writer.writerow([*map(_cell, [*_head(row), *_marks(row, exercises)])])
        return path

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=30)) as database, database:
            yield database


def _row(saved: dict[str, object]) -> Row:
    results = tuple(Result.from_dict(item) for item in json.loads(str(saved.pop("results"))))
    sandboxed = bool(saved.pop("sandboxed"))
    return Row(**saved, sandboxed=sandboxed, results=results)  # type: ignore[arg-type]


def _head(row: Row) -> list[object]:
    sandbox = "yes" if row.sandboxed else "no"
    scores = [f"{row.score:g}", f"{row.max_score:g}"] if row.results else ["", ""]
    seconds = f"{row.seconds:.1f}"
    return [row.student, row.lab, row.status, *scores, sandbox, row.seed, seconds, row.reason]


def _marks(row: Row, exercises: Sequence[str]) -> Iterator[object]:
    by_name = {result.exercise: result for result in row.results}
    for name in exercises:
        result = by_name.get(name)
        known = result is not None and result.verdict is not Verdict.UNGRADABLE
        yield result.verdict if result else ""
        yield f"{result.points:g}" if result and known else ""


def _cell(value: object) -> str:
    """Return text that a spreadsheet shows and does not execute."""
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
