"""Finding submissions: where they lie, whose they are, and when they were handed in."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streamgym.grading import archives
from streamgym.grading.course import CANVAS_LATE, CANVAS_ON_TIME
from streamgym.grading.roster import Match, Roster, fold
from streamgym.grading.submission import Submission, read

MOODLE = re.compile(r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_file(_.*)?")
CANVAS = re.compile(r"(?P<name>[^_]+)(?P<late>_LATE)?_(?P<id>\d+)_\d+_.+")
STUDENT = re.compile(r"""\bstudent\s*=\s*["']([^"'\n]{0,80})["']""")


class Signature(NamedTuple):
    """What a file's name says of who handed it in.

    Moodle and Canvas add a number for the student, which is Canvas' user id; Canvas says if it is
    late.
    """

    name: str
    number: str = ""
    lms_user_id: str = ""
    clock: str = ""


@dataclass(frozen=True)
class Found:
    """A submission that was found: where, whose, and under which name nobody else has.

    ``packed`` tells that it comes out of a zip file, whose times have no time zone.
    """

    path: Path
    student: str
    person: str
    match: Match
    packed: bool = False

    def read(self) -> Submission:
        """Read it; one that cannot be read has a ``reason``."""
        read_whole = read(self.student, self.path)
        handed_in, clock = _handed_in(self.path, self.packed)
        owner = self.match.person
        own_names = owner.names if owner else frozenset()
        return replace(
            read_whole,
            person=self.person,
            names=own_names,
            handed_in=handed_in,
            clock=clock,
            note=self.match.note or _another(read_whole.code, own_names),
        )


def find(paths: Iterable[Path], unpacked: Path, roster: Roster | None = None) -> list[Found]:
    """Return every submission in ``paths``.

    A path may be a notebook, a folder or a zip file of submissions, which is unpacked below
    ``unpacked``. A submission is ``NAME.ipynb``, ``NAME/lab.ipynb``, nbgrader's
    ``NAME/ASSIGNMENT/*.ipynb``, or named as Moodle and Canvas do. With a roster the name stands
    for whom it fits (see :meth:`.Roster.match`); whom it does not know is one person under one
    name and number of Moodle's or Canvas', and without a number another in every file. A second
    submission under one name gets a number; the order is that of the paths, and by name within a
    folder.

    Raises:
        StreamgymError: a zip file cannot be read.
    """
    taken: set[str] = set()
    numbered: dict[tuple[str, str], str] = {}
    found = []
    for notebook in _notebooks(paths, unpacked):
        signed = signature(notebook)
        match = roster.match(signed.name, signed.lms_user_id) if roster else Match(None)
        student = archives.unused(match.person.id if match.person else signed.name, taken)
        taken.add(student)
        person = match.person.id if match.person else student
        if signed.number and not match.person:
            person = numbered.setdefault((signed.name, signed.number), student)
        packed = notebook.is_relative_to(unpacked)
        found.append(Found(notebook, student, person, match, packed))
    return found


def signature(notebook: Path) -> Signature:
    """Return what a path says of its student; what cannot be printed becomes a question mark.

    The name is the one that Moodle or Canvas put before their numbers, the student's folder of
    nbgrader, the folder of a ``lab.ipynb``, or the stem.
    """
    path = notebook.absolute()
    if moodle := MOODLE.fullmatch(path.parent.name) or MOODLE.fullmatch(path.stem):
        return Signature(_printable(moodle["name"]), moodle["id"])
    if canvas := CANVAS.fullmatch(path.stem):
        clock = CANVAS_LATE if canvas["late"] else CANVAS_ON_TIME
        return Signature(_printable(canvas["name"]), canvas["id"], canvas["id"], clock)
    if path.parts[-4:-3] == ("submitted",):
        return Signature(_printable(path.parts[-3]))
    return Signature(_printable(path.parent.name if path.stem == "lab" else path.stem))


def student_of(notebook: Path) -> str:
    """Return the student that a path names."""
    return signature(notebook).name


def _printable(name: str) -> str:
    composed = unicodedata.normalize("NFC", name)
    return "".join(char if char.isprintable() else "?" for char in composed)


def _another(code: Iterable[str], own_names: frozenset[str]) -> str:
    """Return a note when a notebook gives none of the names of whoever handed it in."""
    given = STUDENT.search("\n".join(code))
    if not given or not own_names or fold(given[1]) in own_names:
        return ""
    return f"the notebook's student is {_printable(given[1]) or 'nobody'!r}, not who handed it in"


def _handed_in(path: Path, packed: bool) -> tuple[str, str]:
    """Return when a submission was handed in, in ISO format, and how that is known.

    That is what nbgrader wrote into ``timestamp.txt``; what Canvas says, which is late or not, and
    no time; the time in the zip file, without a time zone; or when the file was last changed.
    """
    if clock := signature(path).clock:
        return "", clock
    if time := _timestamp(path.with_name("timestamp.txt")):
        return time.isoformat(), "timestamp.txt"
    try:
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(microsecond=0)
    except OSError:
        return "", ""
    if packed:
        return changed.replace(tzinfo=None).isoformat(), "zip file"
    return changed.isoformat(), "file"


def _timestamp(path: Path) -> datetime | None:
    """Return the time in nbgrader's file, such as ``2026-12-01 15:58:23.948203 UTC``."""
    if path.is_symlink() or not path.is_file():
        return None
    try:
        with path.open() as file:
            date, time, *zone = file.read(100).split()
        return datetime.fromisoformat(f"{date} {time}").replace(tzinfo=ZoneInfo(*zone or ["UTC"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _notebooks(paths: Iterable[Path], unpacked: Path) -> Iterator[Path]:
    zips: set[str] = set()
    for path in paths:
        if path.is_dir():
            yield from (found for child in sorted(path.iterdir()) for found in _of_child(child))
        elif path.suffix == ".zip":
            zips.add(name := archives.unused(path.stem, zips))
            yield from archives.unpack(path, unpacked / name)
        else:
            yield path


def _of_child(child: Path) -> list[Path]:
    """Return the notebooks of one entry of a folder of submissions."""
    if child.suffix == ".ipynb":
        return [child]
    if (child / "lab.ipynb").exists():
        return [child / "lab.ipynb"]
    deeper = [*child.glob("*.ipynb")] or [*child.glob("[!.]*/*.ipynb")]
    return sorted(deeper) if child.is_dir() and not child.name.startswith(".") else []
