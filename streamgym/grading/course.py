"""``course.toml``: due dates, late penalties, extensions and the roster of a class.

The README shows one, under "For instructors". Times without an offset, and those in zip files, are
of the course's time zone.
"""

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError

from streamgym.checks.labs import lab_names
from streamgym.errors import StreamgymError
from streamgym.grading import roster
from streamgym.grading.roster import Person, Roster

NAME = "course.toml"
CANVAS_LATE, CANVAS_ON_TIME = "Canvas: late", "Canvas: on time"
"""What Canvas says of a file; it does not say when that was handed in."""

Moment = Annotated[datetime, Strict()]
"""A date with a time; without an offset it is of the course's time zone."""


class Table(BaseModel):
    """A table of the file: it has no keys but those of its class."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LabRules(Table):
    """When a lab is due, and what it is called elsewhere."""

    due: Moment | None = None
    column: str = ""


class LatePolicy(Table):
    """What being late costs, in percent of the points that were earned."""

    per_day: float = Field(default=0, ge=0, le=100)
    at_most: float = Field(default=100, ge=0, le=100)
    grace_minutes: float = Field(default=0, ge=0)


class Rules(Table):
    """The whole file."""

    title: str = "The class"
    roster: str = ""
    timezone: ZoneInfo = ZoneInfo("UTC")
    labs: dict[str, LabRules] = {}
    late: LatePolicy = LatePolicy()
    extensions: dict[str, dict[str, Moment]] = {}
    handed_in: dict[str, dict[str, Moment]] = {}


NO_RULES = Rules()


@dataclass(frozen=True)
class Lateness:
    """When a submission was due and handed in, and what being late costs.

    ``clock`` says how the time is known, ``days`` how many days late had begun, and ``percent``
    what share of the points earned that costs.
    """

    due: datetime | None = None
    handed_in: datetime | None = None
    clock: str = ""
    days: int = 0
    percent: float = 0.0


@dataclass(frozen=True)
class Course:
    """The rules of a class, and its roster if there is one."""

    rules: Rules = NO_RULES
    roster: Roster | None = None

    def person(self, student: str) -> Person | None:
        """Return a student of the roster by id."""
        return self.roster.by_id.get(student) if self.roster else None

    def column(self, lab: str) -> str:
        """Return what a lab is called in the learning-management system."""
        return self.rules.labs.get(lab, LabRules()).column or lab

    def due(self, student: str, lab: str) -> datetime | None:
        """Return until when a student could hand in a lab, extension included."""
        due = self.rules.labs.get(lab, LabRules()).due
        return self._moment(self.rules.extensions.get(student, {}).get(lab, due))

    def lateness(self, student: str, lab: str, handed_in: str, clock: str) -> Lateness:
        """Return what being late costs; nothing, where the lab has no due date.

        A day that has begun counts whole; within the grace period nobody is late. Where Canvas
        says that a file is late it does not say by how much: that counts as one day.

        Args:
            student: the id.
            lab: the lab.
            handed_in: when, in ISO format; without an offset, in the course's time zone.
            clock: how that is known.
        """
        due = self.due(student, lab)
        corrected = self.rules.handed_in.get(student, {}).get(lab)
        when = self._moment(corrected or (datetime.fromisoformat(handed_in) if handed_in else None))
        clock = NAME if corrected else clock
        days = _days_begun(due, when, timedelta(minutes=self.rules.late.grace_minutes))
        days = max(days, int(clock == CANVAS_LATE))
        late = self.rules.late
        return Lateness(due, when, clock, days, min(days * late.per_day, late.at_most))

    def _moment(self, moment: datetime | None) -> datetime | None:
        """Return a moment in the course's time zone."""
        if moment is None or moment.tzinfo is None:
            return moment and moment.replace(tzinfo=self.rules.timezone)
        return moment.astimezone(self.rules.timezone)


def _days_begun(due: datetime | None, when: datetime | None, grace: timedelta) -> int:
    """Return how many days after its due date something came; time runs on as on every clock."""
    if due is None or when is None:
        return 0
    over = timedelta(seconds=when.timestamp() - due.timestamp())
    return math.ceil(over / timedelta(days=1)) if over > grace else 0


def locate(paths: Iterable[Path]) -> Path | None:
    """Return the ``course.toml`` that lies beside the submissions, if any."""
    folders = (path if path.is_dir() else path.parent for path in paths)
    return next((folder / NAME for folder in folders if (folder / NAME).is_file()), None)


def read(path: Path) -> Course:
    """Read a course's rules and its roster.

    Raises:
        StreamgymError: a file cannot be read, or holds what is not allowed; it says where.
    """
    try:
        rules = Rules.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise StreamgymError(f"{path}: {key}: {_why(first)}") from None
    except (OSError, ValueError) as error:
        raise StreamgymError(f"{path} cannot be read: {error}") from None
    course = Course(rules, roster.read(path.parent / rules.roster) if rules.roster else None)
    _check_names(path, course)
    return course


def _why(error: Mapping[str, Any]) -> str:
    """Return what is wrong with a value, or with a key that does not exist."""
    if error["type"] != "extra_forbidden":
        return str(error["msg"])
    place = error["loc"]
    tables: dict[str, type[Table]] = {"labs": LabRules, "late": LatePolicy}
    table = tables[place[0]] if len(place) > 1 else Rules
    return f"there is no such key; allowed are {', '.join(table.model_fields)}"


def _check_names(path: Path, course: Course) -> None:
    """Raise for a lab or a student that does not exist: its rule would hold for nobody."""
    rules = course.rules
    special = {"extensions": rules.extensions, "handed_in": rules.handed_in}
    labs = [(f"labs.{lab}", lab) for lab in rules.labs]
    for table, by_student in special.items():
        labs += [(f"{table}.{s}.{lab}", lab) for s, given in by_student.items() for lab in given]
        for student in by_student:
            if course.roster and student not in course.roster.by_id:
                raise StreamgymError(f"{path}: {table}.{student}: nobody on the roster has this id")
    for key, lab in labs:
        if lab not in lab_names():
            raise StreamgymError(f"{path}: {key}: choose one of {', '.join(lab_names())}")
