import json

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from streamgym.errors import StreamgymError
from streamgym.lab import Lab, cards
from streamgym.lab.progress import Progress


@pytest.fixture
def shell():
    shell = InteractiveShell.instance()
    yield shell
    InteractiveShell.clear_instance()


@pytest.fixture
def lab(shell):
    shell.user_ns["lab"] = Lab("03_windowing", student="ada", namespace=shell.user_ns)
    return shell.user_ns["lab"]


RIGHT = """
from streamgym.data.windows import EPOCH
def tumbling(time, size):
    return time - (time - EPOCH) % size
"""


def card(lab, call, *arguments):
    with capture_output() as captured:
        getattr(lab, call)(*arguments)
    shown = [output.data.get("text/plain", "") for output in captured.outputs]
    return captured.stdout + "\n".join(shown)


def test_from_not_attempted_by_way_of_failed_to_passed(lab, shell):
    assert "NOT ATTEMPTED" in card(lab, "check", "tumbling")
    shell.run_cell("def tumbling(time, size): return time")
    failed = card(lab, "check", "tumbling")
    assert "FAILED" in failed
    assert "expected" in failed
    assert "hint:" in failed
    shell.run_cell(RIGHT)
    assert "PASSED" in card(lab, "check", "tumbling")
    assert "passed" in card(lab, "progress")
    standing = lab.progress_file.standing("03_windowing", "tumbling")
    assert (standing.points, standing.attempts) == (10, 2)


def test_hints_climb_and_stay_at_the_last(lab):
    said = [card(lab, "hint", "sliding") for _ in range(6)]
    assert said[0].startswith("Hint 1 of 4")
    assert said[5].startswith("Hint 4 of 4")


def test_the_solution_is_shown_and_noted(lab):
    assert "def tumbling" in card(lab, "solution", "tumbling")
    assert lab.progress_file.standing("03_windowing", "tumbling").solution_seen


def test_reset_forgets_one_exercise(lab, shell):
    shell.run_cell(RIGHT)
    card(lab, "check", "tumbling")
    card(lab, "hint", "sliding")
    assert "tumbling is as new" in card(lab, "reset", "tumbling")
    assert lab.progress_file.standing("03_windowing", "tumbling").attempts == 0
    assert lab.progress_file.standing("03_windowing", "sliding").hints == 1


def test_what_is_not_there_is_a_clear_error(lab):
    with pytest.raises(StreamgymError, match="choose one of tumbling, sliding"):
        lab.check("tumblin")


def test_a_worker_cell_is_kept(lab, shell):
    shell.run_cell_magic("worker", "hourly_delays", "print('hello')\n")
    assert lab.workers == {"hourly_delays": "print('hello')\n"}


def test_a_worker_without_a_name_is_a_clear_error(lab, shell):
    with pytest.raises(StreamgymError, match="begin the cell with %%worker NAME"):
        shell.run_cell_magic("worker", "", "print('hello')\n")
    assert lab.workers == {}


def test_in_grading_a_check_in_the_notebook_decides_nothing(lab, monkeypatch):
    monkeypatch.setenv("STREAMGYM_GRADING", "1")
    assert "judged by the grader" in card(lab, "check", "tumbling")


def test_the_best_points_stay(lab, shell):
    shell.run_cell(RIGHT)
    card(lab, "check", "tumbling")
    shell.run_cell("def tumbling(time, size): return time")
    card(lab, "check", "tumbling")
    assert Progress().standing("03_windowing", "tumbling").points == 10


def test_a_progress_file_that_cannot_be_read_says_what_to_do(tmp_path):
    progress = Progress(tmp_path)
    progress.path.write_text("{")
    with pytest.raises(StreamgymError, match="delete it to start your progress anew"):
        progress.standing("a", "b")


def test_progress_from_a_newer_version_is_not_lost_silently(tmp_path):
    progress = Progress(tmp_path)
    progress.path.write_text(json.dumps({"a/b": {"points": 1, "unknown": 2}}))
    with pytest.raises(StreamgymError, match="cannot be read"):
        progress.standing("a", "b")


def test_cards_escape_what_learners_wrote(lab, shell):
    shell.run_cell("def tumbling(time, size): return '<script>alert(1)</script>'")
    result = lab.judge(lab.exercises["tumbling"])
    page = cards.ResultCard(result)._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
