"""Whose a submission is."""

from pathlib import Path

import pytest

from streamgym.errors import StreamgymError
from streamgym.grading import roster
from streamgym.grading.roster import Roster

CLASS = """\
id,first_name,last_name,email,lms_user_id,sis_login_id,comment
ada,Ada,Lovelace,countess@example.org,11,,first
s2,Zoë,Ó Briain,zoe.ob@example.org,12,zob1,
s3,Anna,Schmidt,anna@a.example,13,,
s4,Anna,Schmidt,anna@b.example,14,,
zob,Max,Zob,max@example.org,15,,
"""


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Roster:
    path = tmp_path_factory.mktemp("roster") / "roster.csv"
    path.write_text(CLASS, encoding="utf-8-sig")
    return roster.read(path)


@pytest.mark.parametrize(
    ("name", "lms", "whose"),
    [
        ("ada", "", "ada"),
        (" ADA ", "", "ada"),
        ("countess", "", "ada"),
        ("Countess@example.org", "", "ada"),
        ("Ada Lovelace", "", "ada"),
        ("Lovelace, Ada", "", "ada"),
        ("lovelaceada", "", "ada"),  # as Canvas writes it
        ("Zoe\u0308 Ó Briain", "", "s2"),  # composed otherwise
        ("óbriainzoë", "", "s2"),
        ("ZOB1", "", "s2"),
        ("zob", "", "zob"),
        ("schmidtanna", "14", "s4"),
        ("somebody else", "13", "s3"),  # Canvas knows better than a name
    ],
)
def test_a_name_fits_one(people: Roster, name: str, lms: str, whose: str) -> None:
    match = people.match(name, lms)
    assert (match.person and match.person.id, match.note) == (whose, "")


@pytest.mark.parametrize("name", ["Anna Schmidt", "schmidtanna", "anna"])
def test_a_name_that_fits_two_is_told_and_not_guessed(people: Roster, name: str) -> None:
    match = people.match(name)
    assert match.person is None
    assert match.note.endswith("more than one on the roster: s3, s4")


@pytest.mark.parametrize("name", ["zoe ó briain", "nobody", "", "first", "@", "11"])
def test_what_fits_nobody_is_told(people: Roster, name: str) -> None:
    assert people.match(name).note == "not on the roster"


def test_a_notebook_may_give_each_of_ones_own_names(people: Roster) -> None:
    ada = people.by_id["ada"].names
    assert {roster.fold(n) for n in ("Ada", "Ada Lovelace", "Lovelace, Ada", "countess")} <= ada
    assert not ada & people.by_id["zob"].names
    assert "" not in ada


def test_a_spreadsheets_semicolons_and_empty_lines_are_read(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("ID;First_Name\nada;Ada\n;\n\nben;Ben\n")
    assert [p.first_name for p in roster.read(tmp_path / "r.csv").people] == ["Ada", "Ben"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"", "has no column `id`"),
        (b"name\nada\n", "has no column `id`"),
        (b"id\nada\nben\nADA\n", "line 4: the id 'ADA' is in line 2 already"),
        (b"id,email\nada,x\n,y\n", "line 3: the id is missing"),
        (b"id\n\xff\n", "cannot be read as a roster in UTF-8"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, text: bytes, complaint: str) -> None:
    (tmp_path / "r.csv").write_bytes(text)
    with pytest.raises(StreamgymError, match=complaint):
        roster.read(tmp_path / "r.csv")
