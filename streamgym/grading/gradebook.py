"""The gradebook: results are kept as they come, in SQLite, and so is every change of a mark."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from streamgym.checks.results import Result, Verdict
from streamgym.errors import StreamgymError
from streamgym.grading.atomic import REMEDY

SCHEMA = """
create table if not exists rows (
    student text primary key, path text, digest text, lab text, reason text,
    sandboxed integer, seed text, seconds real, results text, person text, handed_in text,
    clock text, note text, answers text
);
create table if not exists history (
    number integer primary key, at text not null, student text not null, lab text not null,
    exercise text not null, kind text not null, by text not null, verdict text not null,
    points real, text text not null, result text not null
);
create trigger if not exists history_is_not_changed before update on history
begin select raise(abort, 'the history is only added to'); end;
create trigger if not exists history_is_not_forgotten before delete on history
begin select raise(abort, 'the history is only added to'); end;
create table if not exists settings (name text primary key, value text);
"""
GRADER = "streamgym"
"""Whom the history names for marks that no person gave."""


class Status(StrEnum):
    """How far a submission could be graded."""

    GRADED = "graded"
    INCOMPLETE = "incomplete"  # an exercise is ungradable: its points are not known
    UNGRADABLE = "ungradable"
    MISSING = "missing"  # on the roster, and nothing was handed in


@dataclass(frozen=True)
class Remark:
    """What a person said about an exercise, or with no exercise about the whole submission.

    ``points`` count instead of the grader's; None leaves those.
    """

    points: float | None = None
    text: str = ""
    by: str = ""


@dataclass(frozen=True)
class Row:
    """What came of one submission.

    ``digest`` identifies the file's bytes, ``seed`` the secret seed without revealing it, and
    ``reason`` says why there are no results. ``seconds`` is what grading took. ``person`` is whose
    it is, where one student may have several rows: by the roster's id, or as the first of them is
    called. ``handed_in`` is in ISO format, and ``clock`` says how that is known. ``note`` is for
    the instructor and the student, ``answers`` are the texts of the answers by exercise, and
    ``remarks`` what people said, by exercise.
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
    person: str = ""
    handed_in: str = ""
    clock: str = ""
    note: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)
    remarks: Mapping[str, Remark] = field(default_factory=dict)

    @property
    def status(self) -> Status:
        """Whether every exercise has a mark, some have, or none."""
        if not self.path:
            return Status.MISSING
        known = [self.points(result) is not None for result in self.results]
        if not any(known):
            return Status.UNGRADABLE
        return Status.GRADED if all(known) else Status.INCOMPLETE

    @property
    def score(self) -> float:
        """The points earned."""
        return round(sum(self.points(result) or 0.0 for result in self.results), 2)

    @property
    def max_score(self) -> float:
        """The points that could be earned."""
        return round(sum(result.max_points for result in self.results), 2)

    def points(self, result: Result) -> float | None:
        """Return the points for an exercise: a person's, else the grader's; None if unknown."""
        given = self.remarks.get(result.exercise, Remark()).points
        if given is not None:
            return given
        return None if result.verdict is Verdict.UNGRADABLE else result.points


@dataclass(frozen=True)
class Event:
    """One entry of the history: who gave whom how many points, and why.

    ``kind`` is ``graded``, ``regraded``, ``kept`` (a regrade gave no mark) or ``remark``;
    ``result`` is the grader's whole result as JSON.
    """

    at: str
    student: str
    lab: str
    exercise: str
    kind: str
    by: str
    verdict: str = ""
    points: float | None = None
    text: str = ""
    result: str = ""


class Gradebook:
    """The rows of one grading, in ``results.sqlite`` below a folder; threads may share it.

    Raises:
        StreamgymError: the file cannot be written, such as on a full disk; what is in it stays.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "results.sqlite"
        with self._open() as database:
            database.executescript(SCHEMA)

    def clear(self) -> None:
        """Forget all rows; what people remarked and the history stay."""
        with self._open() as database:
            database.execute("delete from rows")

    def add(self, row: Row) -> None:
        """Keep a row, which replaces an older one of the same student, and note its marks."""
        with self._open() as database:
            _save(database, row)
            _note(database, (_event(row, result, "graded", "") for result in row.results))

    def regraded(self, row: Row, new: Result, why: str) -> None:
        """Replace the result of one exercise; one without a mark replaces none that has one.

        Args:
            row: the submission.
            new: the exercise's new result.
            why: the reason that the history gives.
        """
        old = {result.exercise: result for result in row.results}
        known = new.exercise in old and old[new.exercise].verdict is not Verdict.UNGRADABLE
        kept = known and new.verdict is Verdict.UNGRADABLE
        with self._open() as database:
            if not kept:
                results = tuple({**old, new.exercise: new}.values())
                _save(database, replace(row, results=results))
            _note(database, [_event(row, new, "kept" if kept else "regraded", why)])

    def remark(self, row: Row, exercise: str, remark: Remark) -> None:
        """Keep what a person says; it replaces an older remark on the same exercise."""
        said = {"by": remark.by, "points": remark.points, "text": remark.text}
        event = Event(_now(), row.student, row.lab, exercise, "remark", **said)  # type: ignore[arg-type]
        with self._open() as database:
            _note(database, [event])

    def rows(self) -> list[Row]:
        """Return all rows, by student, with what people remarked."""
        with self._open() as database:
            found = database.execute("select * from rows order by student").fetchall()
            remarks = _remarks(database)
        rows = (_row(dict(saved)) for saved in found)
        return [replace(row, remarks=remarks.get((row.student, row.lab), {})) for row in rows]

    def history(self, student: str = "") -> list[Event]:
        """Return what happened to the marks of a student, or of all, the oldest first."""
        columns = ", ".join(each.name for each in fields(Event))
        query = f"select {columns} from history where ? in ('', student) order by number"
        with self._open() as database:
            return [Event(*entry) for entry in database.execute(query, [student])]

    def remember(self, name: str, value: str) -> None:
        """Keep a setting for later commands on the same folder."""
        with self._open() as database:
            database.execute("insert or replace into settings values (?, ?)", [name, value])

    def remembered(self, name: str) -> str:
        """Return a setting; empty if there is none."""
        with self._open() as database:
            query = "select value from settings where name = ?"
            found = database.execute(query, [name]).fetchone()
        return str(found[0]) if found else ""

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=30)) as database, database:
                database.row_factory = sqlite3.Row
                yield database
        except sqlite3.OperationalError as error:
            raise StreamgymError(f"{self._path} cannot be used ({error}): {REMEDY}") from None


def _save(database: sqlite3.Connection, row: Row) -> None:
    results = json.dumps([result.as_dict() for result in row.results])
    values: dict[str, Any] = {**vars(row), "results": results, "answers": json.dumps(row.answers)}
    del values["remarks"]
    names = ", ".join(f":{name}" for name in values)
    database.execute(f"insert or replace into rows ({', '.join(values)}) values ({names})", values)


def _note(database: sqlite3.Connection, events: Iterable[Event]) -> None:
    for event in events:
        values = {**vars(event), "text": event.text.encode(errors="replace").decode()}
        names = ", ".join(f":{name}" for name in values)
        database.execute(f"insert into history ({', '.join(values)}) values ({names})", values)


def _event(row: Row, result: Result, kind: str, why: str) -> Event:
    points = None if result.verdict is Verdict.UNGRADABLE else result.points
    whole = json.dumps(result.as_dict())
    place = (_now(), row.student, row.lab, result.exercise)
    return Event(*place, kind, GRADER, str(result.verdict), points, why or result.reason, whole)


def _remarks(database: sqlite3.Connection) -> dict[tuple[str, str], dict[str, Remark]]:
    """Return the last remark on each exercise, by student and lab."""
    found: dict[tuple[str, str], dict[str, Remark]] = {}
    query = "select * from history where kind = 'remark' order by number"
    for entry in database.execute(query):
        remark = Remark(entry["points"], entry["text"], entry["by"])
        found.setdefault((entry["student"], entry["lab"]), {})[entry["exercise"]] = remark
    return {key: _standing(remarks) for key, remarks in found.items()}


def _standing(remarks: Mapping[str, Remark]) -> dict[str, Remark]:
    """Return the remarks that were not taken back."""
    return {name: r for name, r in remarks.items() if r.points is not None or r.text}


def _row(saved: dict[str, Any]) -> Row:
    results = tuple(Result.from_dict(item) for item in json.loads(saved.pop("results")))
    sandboxed = bool(saved.pop("sandboxed"))
    answers = json.loads(saved.pop("answers"))
    return Row(**saved, sandboxed=sandboxed, results=results, answers=answers)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
