"""The roster: who is in the class, and whose a submission is.

A CSV file with nbgrader's columns for students (``id``, ``first_name``, ``last_name``, ``email``,
``lms_user_id``: https://nbgrader.readthedocs.io/en/stable/user_guide/managing_the_database.html)
and those that Canvas wants back (``sis_user_id``, ``sis_login_id``, ``section``). Only ``id`` is
needed; other columns are left alone.
"""

import csv
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

from streamgym.errors import StreamgymError


@dataclass(frozen=True)
class Person:
    """One student, as the roster has them."""

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_user_id: str = ""
    sis_user_id: str = ""
    sis_login_id: str = ""
    section: str = ""

    @property
    def name(self) -> str:
        """The name that people call them by; the id where the roster has none."""
        return f"{self.first_name} {self.last_name}".strip() or self.id

    @property
    def names(self) -> frozenset[str]:
        """What this student may write as their name in a notebook, folded."""
        first, last = self.first_name, self.last_name
        full = (f"{first} {last}", f"{last} {first}", f"{last}, {first}") if first and last else ()
        return frozenset({*map(fold, (self.id, *full)), *self.logins})

    @property
    def logins(self) -> set[str]:
        """The login, the email address, and what stands before its @; folded."""
        local = self.email.partition("@")[0]
        return {fold(text) for text in (self.email, local, self.sis_login_id) if text}

    @property
    def full_names(self) -> set[str]:
        """First and last name in both orders, folded and without anything between."""
        first, last = squeeze(self.first_name), squeeze(self.last_name)
        return {first + last, last + first} - {""}


@dataclass(frozen=True)
class Match:
    """Whose a submission is; with nobody, ``note`` says why."""

    person: Person | None
    note: str = ""


@dataclass(frozen=True)
class Roster:
    """The students of a class, each with an id of their own."""

    people: tuple[Person, ...]

    @cached_property
    def by_id(self) -> dict[str, Person]:
        """The students by their ids."""
        return {person.id: person for person in self.people}

    def match(self, name: str, lms_user_id: str = "") -> Match:
        """Find whose a submission is: the first of these rules that fits anybody decides.

        The user id that Canvas puts into a file's name; the student's id; the login, the email
        address or what stands before its @; first and last name in either order. Capitals, white
        space and punctuation between names do not matter; accents do.
        """
        folded, squeezed = fold(name), squeeze(name)
        rules = (
            [p for p in self.people if lms_user_id and p.lms_user_id == lms_user_id],
            [p for p in self.people if fold(p.id) == folded],
            [p for p in self.people if folded in p.logins],
            [p for p in self.people if squeezed in p.full_names],
        )
        fitting = next((found for found in rules if found), [])
        if len(fitting) == 1:
            return Match(fitting[0])
        if fitting:
            ids = ", ".join(person.id for person in fitting)
            return Match(None, f"the name fits more than one on the roster: {ids}")
        return Match(None, "not on the roster")


def fold(text: str) -> str:
    """Return a name without capitals, outer white space and differences of encoding."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def squeeze(text: str) -> str:
    """Return a folded name as Canvas writes it: letters and digits alone."""
    return re.sub(r"[\W_]+", "", fold(text))


def read(path: Path) -> Roster:
    """Read a roster.

    Raises:
        StreamgymError: it cannot be read, has no ``id`` column, or an id is missing or twice there.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StreamgymError(f"{path} cannot be read as a roster in UTF-8: {error}") from None
    people = tuple(_people(path, lines))
    first: dict[str, int] = {}
    for line, person in people:
        if fold(person.id) in first:
            raise StreamgymError(
                f"{path}, line {line}: the id {person.id!r} is in line {first[fold(person.id)]} "
                "already: give everyone their own"
            )
        first[fold(person.id)] = line
    return Roster(tuple(person for _, person in people))


def _people(path: Path, lines: Sequence[str]) -> Iterator[tuple[int, Person]]:
    """Yield line number and person; a spreadsheet may have written semicolons."""
    header = lines[0] if lines else ""
    reader = csv.DictReader(lines, delimiter=";" if header.count(";") > header.count(",") else ",")
    known = {field.name for field in fields(Person)}
    columns = {title: title.strip().lower() for title in reader.fieldnames or ()}
    if "id" not in columns.values():
        raise StreamgymError(f"{path} has no column `id`: begin it with a line such as {EXAMPLE}")
    for row in reader:
        found = {columns[t]: (value or "").strip() for t, value in row.items() if t in columns}
        if not any(found.values()):
            continue
        if not found["id"]:
            raise StreamgymError(f"{path}, line {reader.line_num}: the id is missing")
        yield reader.line_num, Person(**{key: found[key] for key in known & found.keys()})


EXAMPLE = "id,first_name,last_name,email"
