from threading import Thread

import pytest
from typer.testing import CliRunner

from streamgym.checks.results import Verdict
from streamgym.cli import commands
from streamgym.errors import StreamgymError
from streamgym.grading.rehearsal import rehearse, saves

pytestmark = pytest.mark.usefixtures("course")


@pytest.mark.stack
def test_ones_own_notebook_gets_the_graders_marks(write, solved, tmp_path):
    lab, double, check, shout, favourite = solved
    row = rehearse(write(tmp_path, "ada", [lab, double, check, shout, favourite]))
    assert [r.verdict for r in row.results] == [Verdict.PASSED] * 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ada.ipynb"]


@pytest.mark.stack
def test_the_terminal_shows_what_fails_and_that_the_final_data_differ(write, solved, tmp_path):
    path = write(tmp_path, "ada", [solved[0], "def double(number):\n    return number"])
    shown = CliRunner().invoke(commands, ["check", str(path)])
    assert shown.exit_code == 0, shown.output
    assert "FAILED  Twice" in shown.output
    assert "hint: Add it to itself." in shown.output
    assert "NOT ATTEMPTED  In capitals" in shown.output
    assert "The final data differ" in shown.output


def test_what_is_no_notebook_of_a_lab_is_an_error(tmp_path):
    path = tmp_path / "notes.ipynb"
    path.write_text("{}")
    with pytest.raises(StreamgymError, match=r"notes.ipynb cannot be graded: it is not a notebook"):
        rehearse(path)


def test_each_save_with_other_contents_is_told_once(tmp_path):
    path = tmp_path / "lab.ipynb"
    path.write_text("first")
    told = saves(path)
    next(told)
    path.write_text("first")
    saving = Thread(target=path.write_text, args=["second"])
    saving.start()
    next(told)
    saving.join()
    assert path.read_text() == "second"
    new = tmp_path / "new"
    new.write_text("third")
    new.replace(path)  # as editors save
    next(told)
