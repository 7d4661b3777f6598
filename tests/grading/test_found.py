"""When something was handed in, and by whom of the roster."""

import os
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from streamgym.grading.found import find, signature
from streamgym.grading.roster import Person, Roster
from streamgym.grading.submission import Submission

CLASS = Roster(
    (
        Person("ada", "Ada", "Lovelace", "ada@example.org", "11"),
        Person("s2", "Anna", "Schmidt", "anna@a.example", "12"),
        Person("s3", "Anna", "Schmidt", "anna@b.example", "13"),
    )
)


def handed_in(folder: Path, name: str, student: str = "ada") -> Submission:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    cell = new_code_cell(f'lab = Lab("03_windowing", student="{student}")')
    nbformat.write(new_notebook(cells=[cell]), path)
    (found,) = find([path], folder / "unpacked", CLASS)
    return found.read()


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("2026-12-01 15:58:23.948203 UTC", "2026-12-01T15:58:23.948203+00:00"),
        ("2026-12-01 15:58:23 Europe/Berlin", "2026-12-01T15:58:23+01:00"),
        ("2026-12-01 15:58:23", "2026-12-01T15:58:23+00:00"),
    ],
)
def test_nbgraders_timestamp_counts(tmp_path: Path, written: str, time: str) -> None:
    handed_in(tmp_path, "submitted/ada/hw/lab.ipynb")
    (tmp_path / "submitted/ada/hw/timestamp.txt").write_text(written)
    again = handed_in(tmp_path, "submitted/ada/hw/lab.ipynb")
    assert (again.handed_in, again.clock) == (time, "timestamp.txt")


@pytest.mark.parametrize(
    "written",
    [
        *("", "yesterday", "2026-12-01", "2026-12-01 25:00:00 UTC", "a b c d", "\x00" * 999),
        *("2026-12-01 15:58:23 ../../etc/passwd", "2026-12-01 15:58:23 Moon/Base"),
    ],
)
def test_without_a_timestamp_that_makes_sense_the_files_time_counts(tmp_path, written: str):
    path = tmp_path / "submitted/ada/hw/lab.ipynb"
    handed_in(tmp_path, "submitted/ada/hw/lab.ipynb")
    path.with_name("timestamp.txt").write_text(written)
    (found,) = find([path], tmp_path / "unpacked")
    time = datetime(2026, 11, 30, 9, tzinfo=UTC)
    os.utime(path, (time.timestamp(), time.timestamp()))
    assert (found.read().handed_in, found.read().clock) == (time.isoformat(), "file")


def test_a_timestamp_that_never_ends_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "ada").mkdir()
    os.mkfifo(tmp_path / "ada" / "timestamp.txt")
    assert handed_in(tmp_path, "ada/lab.ipynb").clock == "file"


def test_canvas_tells_late_from_on_time_and_nothing_more(tmp_path: Path) -> None:
    late = handed_in(tmp_path, "lovelaceada_LATE_11_900_lab.ipynb")
    on_time = handed_in(tmp_path, "lovelaceada_11_901_lab.ipynb")
    assert (late.person, late.handed_in, late.clock) == ("ada", "", "Canvas: late")
    assert (on_time.handed_in, on_time.clock) == ("", "Canvas: on time")


def test_a_file_that_is_missing_has_no_time(tmp_path: Path) -> None:
    (found,) = find([tmp_path / "none.ipynb"], tmp_path / "unpacked")
    assert (found.read().handed_in, found.read().clock) == ("", "")


def test_canvas_ids_tell_people_of_one_name_apart(tmp_path: Path) -> None:
    assert handed_in(tmp_path, "schmidtanna_13_900_lab.ipynb", "s3").person == "s3"
    guess = handed_in(tmp_path, "Anna Schmidt_900_assignsubmission_file/lab.ipynb")
    assert (guess.person, guess.student) == ("Anna Schmidt", "Anna Schmidt")
    assert "more than one on the roster: s2, s3" in guess.note


@pytest.mark.parametrize("student", ["ada", " ADA", "Lovelace, Ada", "ada@example.org"])
def test_ones_own_name_is_nothing_to_note(tmp_path: Path, student: str) -> None:
    assert handed_in(tmp_path, "ada.ipynb", student).note == ""


@pytest.mark.parametrize("student", ["s2", "", "anna"])
def test_anothers_name_is_noted(tmp_path: Path, student: str) -> None:
    assert "not who handed it in" in handed_in(tmp_path, "ada.ipynb", student).note


def test_all_of_one_person_are_known_as_theirs(tmp_path: Path) -> None:
    for name in ("ada", "Ada Lovelace", "lovelaceada_LATE_11_900_lab"):
        handed_in(tmp_path / "in", f"{name}.ipynb")
    found = find([tmp_path / "in"], tmp_path / "unpacked", CLASS)
    assert [each.person for each in found] == ["ada"] * 3
    assert [each.student for each in found] == ["ada", "ada (2)", "ada (3)"]


def test_without_a_roster_only_a_number_makes_two_files_one_persons(tmp_path: Path) -> None:
    names = ["a/ada", "b/ada", "hopper_2_3_lab", "hopper_LATE_2_4_lab", "hopper_9_5_lab"]
    names += [f"Anna Schmidt_{n}_assignsubmission_file_{m}" for n, m in ((7, "x"), (8, "x"))]
    paths = [tmp_path / f"{name}.ipynb" for name in names]
    assert [(each.student, each.person) for each in find(paths, tmp_path / "unpacked")] == [
        ("ada", "ada"),
        ("ada (2)", "ada (2)"),
        ("hopper", "hopper"),
        ("hopper (2)", "hopper"),
        ("hopper (3)", "hopper (3)"),
        ("Anna Schmidt", "Anna Schmidt"),
        ("Anna Schmidt (2)", "Anna Schmidt (2)"),
    ]


@pytest.mark.parametrize(
    ("stem", "name", "lms"),
    [
        ("lovelaceada_12_34_lab", "lovelaceada", "12"),
        ("lovelaceada_LATE_12_34_lab-1", "lovelaceada", "12"),
        ("anon_12_34_lab", "anon", "12"),
        ("óbriainzoë_12_34_my_lab", "óbriainzoë", "12"),
        ("ada_lovelace", "ada_lovelace", ""),
    ],
)
def test_canvas_files_give_name_and_user_id(stem: str, name: str, lms: str) -> None:
    signed = signature(Path(f"/in/{stem}.ipynb"))
    assert (signed.name, signed.lms_user_id) == (name, lms)
