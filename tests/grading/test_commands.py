"""The instructor's commands, on a grading of a file that is no notebook and a row made by hand."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamgym.cli import commands
from streamgym.errors import StreamgymError
from streamgym.grading.gradebook import Gradebook

from .rows import result, row

pytestmark = pytest.mark.usefixtures("course")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "grades"
    folder.mkdir()
    Gradebook(folder).add(row("ada", result(points=1.0), person="ada", handed_in=LATE))
    return folder


LATE = "2026-12-02T12:00:00"


def run(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(commands, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.output


def test_points_and_a_comment_reach_the_gradebook_the_page_and_the_history(out: Path) -> None:
    run(
        "comment",
        out,
        "ada",
        "double",
        "--points",
        2,
        "--text",
        "Right, [b]after all.",
        "--by",
        "Bo",
    )
    assert "\nada,,01_tiny,graded,2," in (out / "gradebook.csv").read_text()
    assert "Right, [b]after all." in (out / "feedback" / "ada.html").read_text()
    told = run("history", out, "ada")
    assert "Bo" in told
    assert "[b]" in told


def test_a_due_date_that_is_set_later_counts_in_a_new_report(out: Path, tmp_path: Path) -> None:
    rules = tmp_path / "course.toml"
    rules.write_text("[labs.01_tiny]\ndue = 2026-12-01T12:00:00\n[late]\nper_day = 50\n")
    run("report", out, "--course", rules)
    assert "graded,1,0.5,0.5,2,2026-12-02 12:00:00+00:00" in (out / "gradebook.csv").read_text()
    rules.write_text(rules.read_text().replace("50", "20"))
    run("report", out)  # knows where the rules are
    assert "graded,1,0.2,0.8,2," in (out / "gradebook.csv").read_text()
    assert "0.8 of 2 count" in (out / "feedback" / "ada.html").read_text()


@pytest.mark.parametrize("form", ["canvas", "nbgrader"])
def test_an_export_is_a_file_beside_the_gradebook(out: Path, form: str) -> None:
    run("export", out, "--format", form)
    assert "ada" in (out / f"{form}.csv").read_text()


def test_whom_an_export_cannot_name_is_told_and_it_fails(out: Path, tmp_path: Path) -> None:
    (tmp_path / "roster.csv").write_text("id,email\nben,ben@example.org\n")
    (tmp_path / "course.toml").write_text('roster = "roster.csv"')
    told = run("export", out, "--format", "moodle", "--course", tmp_path / "course.toml", code=1)
    assert "left out, as nobody there fits: ada" in told


def test_a_template_is_for_canvas_alone(out: Path) -> None:
    with pytest.raises(StreamgymError, match="for Canvas"):
        run("export", out, "--format", "nbgrader", "--template", out / "results.sqlite")


def test_rules_that_are_gone_are_told_with_what_to_do(out: Path, tmp_path: Path) -> None:
    rules = tmp_path / "course.toml"
    rules.write_text("")
    run("report", out, "--course", rules)
    rules.unlink()
    with pytest.raises(StreamgymError, match=r"streamgym report .* --course"):
        run("comment", out, "ada", "--text", "Hello.")
    assert len(Gradebook(out).history()) == 1


def test_similar_words_are_chosen_with_care(tmp_path: Path, write) -> None:
    answer = "def double(number):\n" + "".join(f"    number = number + {n}\n" for n in range(9))
    for name in ("ada", "eve"):
        write(tmp_path, name, ['lab = Lab("01_tiny")', answer])
    told = run("similar", tmp_path, "--lab", "01")
    assert "100%" in told
    assert "Similar is not copied" in told
