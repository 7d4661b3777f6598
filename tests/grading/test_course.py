"""course.toml: what it allows, what being late costs, and who is in the class."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from streamgym.errors import StreamgymError
from streamgym.grading import course
from streamgym.grading.course import CANVAS_LATE, CANVAS_ON_TIME, Course
from streamgym.grading.roster import Person

pytestmark = pytest.mark.usefixtures("course")

README = Path(__file__).parents[2] / "README.md"
RULES = """
title = "Streams"
timezone = "Europe/Berlin"
[labs.01_tiny]
due = 2026-12-01T23:59:00
[late]
per_day = 10
at_most = 25
grace_minutes = 10
[extensions]
ada = { "01_tiny" = 2026-12-03T23:59:00 }
[handed_in]
ben = { "01_tiny" = 2026-11-30T08:00:00 }
"""


def read(folder: Path, text: str) -> Course:
    (folder / "course.toml").write_text(text)
    return course.read(folder / "course.toml")


@pytest.mark.parametrize(
    ("handed_in", "days", "percent"),
    [
        ("2026-12-01T23:59:00", 0, 0),
        ("2026-12-02T00:09:00", 0, 0),  # the grace period's last minute
        ("2026-12-02T00:09:01", 1, 10),
        ("2026-12-02T23:59:00", 1, 10),  # a day late to the second
        ("2026-12-02T23:59:01", 2, 20),
        ("2026-12-20T00:00:00", 19, 25),
        ("2026-12-01T22:59:00+00:00", 0, 0),  # as late as it may be, on another clock
        ("2026-12-01T23:59:00+00:00", 1, 10),
        ("", 0, 0),
    ],
)
def test_each_day_that_has_begun_costs(tmp_path, handed_in: str, days: int, percent: float):
    late = read(tmp_path, RULES).lateness("chen", "01_tiny", handed_in, "file")
    assert (late.days, late.percent) == (days, percent)


def test_an_extension_and_a_corrected_time_are_the_students_own(tmp_path: Path) -> None:
    rules = read(tmp_path, RULES)
    very_late = "2026-12-03T12:00:00", "zip file"
    assert rules.lateness("ada", "01_tiny", *very_late).days == 0
    ben = rules.lateness("ben", "01_tiny", *very_late)
    assert (ben.days, ben.clock) == (0, "course.toml")
    assert rules.lateness("chen", "01_tiny", *very_late).days == 2


def test_what_canvas_says_counts_where_no_time_is_known(tmp_path: Path) -> None:
    rules = read(tmp_path, RULES)
    assert rules.lateness("chen", "01_tiny", "", CANVAS_LATE).percent == 10
    assert rules.lateness("chen", "01_tiny", "", CANVAS_ON_TIME).percent == 0
    assert rules.lateness("ben", "01_tiny", "", CANVAS_LATE).percent == 0  # corrected


def test_a_day_has_24_hours_when_clocks_are_put_back(tmp_path: Path) -> None:
    rules = read(tmp_path, RULES.replace("2026-12-01T23:59", "2026-10-24T12:00"))
    assert rules.lateness("chen", "01_tiny", "2026-10-25T11:00:00", "file").days == 1
    assert rules.lateness("chen", "01_tiny", "2026-10-25T11:00:01", "file").days == 2


def test_without_rules_nobody_is_late() -> None:
    assert Course().lateness("ada", "01_tiny", "2030-01-01T00:00:00", "file").percent == 0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[late]\nper_day = 110", "late.per_day: Input should be less than or equal to 100"),
        ("[late]\nper_week = 1", "late.per_week: there is no such key; allowed are per_day"),
        ("tite = 'x'", "tite: there is no such key; allowed are title, roster, timezone, labs"),
        ("[labs.01_tiny]\ndeu = 1", "labs.01_tiny.deu: there is no such key; allowed are due"),
        ("[labs.01_tiny]\ndue = 2026-12-01", "labs.01_tiny.due: Input should be a valid datetime"),
        ("[labs.99_none]\ncolumn = 'x'", "labs.99_none: choose one of 01_tiny"),
        ("[extensions]\nada = {'02_x' = 2026-12-01T00:00:00}", "extensions.ada.02_x: choose one"),
        ("timezone = 'Berlin'", "timezone: "),
        ("title = \n", "cannot be read: Invalid value (at line 1, column 9)"),
        ("roster = 'none.csv'", "cannot be read as a roster"),
        ("labs = 3", "labs: Input should be a valid dictionary"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(StreamgymError) as told:
        read(tmp_path, text)
    assert complaint in str(told.value)
    assert str(tmp_path) in str(told.value)
    assert "\n" not in str(told.value)


def test_a_rule_for_nobody_is_refused(tmp_path: Path) -> None:
    (tmp_path / "roster.csv").write_text("id\nada\n")
    with pytest.raises(StreamgymError, match=r"handed_in\.ben: nobody on the roster"):
        read(tmp_path, 'roster = "roster.csv"\n' + RULES)


def test_it_is_found_beside_the_submissions(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    assert course.locate([tmp_path / "in"]) is None
    (tmp_path / "course.toml").touch()
    assert course.locate([tmp_path / "class.zip"]) == tmp_path / "course.toml"
    (tmp_path / "in" / "course.toml").touch()
    assert course.locate([tmp_path / "in"]) == tmp_path / "in" / "course.toml"


def test_the_readmes_example_is_valid(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("STREAMGYM_COURSE")
    (example,) = re.findall(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)
    (columns,) = re.findall(r"# (id,\S+)", example)
    (tmp_path / "roster.csv").write_text(f"{columns}\nada\nben\n")
    rules = read(tmp_path, example)
    assert set(columns.split(",")) == {field.name for field in fields(Person)}
    assert rules.lateness("ada", "03_windowing", "2026-12-03T23:59:00", "").percent == 0
    assert rules.column("03_windowing") == "Windowing (4711)"
