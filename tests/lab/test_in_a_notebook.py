"""The lab in a real IPython shell: cells, magics, and answers beside them."""

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from streamgym.checks import labs
from streamgym.errors import StreamgymError
from streamgym.lab import Lab


@pytest.fixture
def shell():
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


@pytest.fixture
def run(shell):
    """Run a cell and return what it printed and displayed as text."""

    def run_cell(text):
        with capture_output() as captured:
            outcome = shell.run_cell(text)
        outcome.raise_error()
        shown = [str(out.data.get("text/plain", "")) for out in captured.outputs]
        return "\n".join([captured.stdout, *shown])

    run_cell('from streamgym.lab import Lab\nlab = Lab("03_windowing", student="ada")')
    return run_cell


def test_answers_are_the_notebooks_own_variables(run):
    run("from streamgym.data.windows import EPOCH")
    run("def tumbling(time, size):\n    return EPOCH + (time - EPOCH) // size * size")
    assert "PASSED  Put an event into its tumbling window  (10 of 10 points)" in run(
        'lab.check("tumbling")'
    )


def test_a_choice_is_checked_for_this_student(run):
    run('task = lab.task("patience")')
    run("behind = task['flights']['scheduled'].cummax() - task['flights']['scheduled']")
    run("minutes = behind.dt.total_seconds() / 60")
    run("patience = next(m for m in range(0, 999, 5) if (minutes > m).mean() <= task['share'])")
    assert "PASSED" in run('lab.check("patience")')
    assert "FAILED" in run('patience += 5\nlab.check("patience")')


def test_a_worker_cell_is_kept_and_not_run(run, shell):
    said = run("%%worker hourly_delays\nraise SystemExit('not to be run here')\n")
    assert 'lab.check("hourly_delays") runs it' in said
    assert shell.user_ns["lab"].workers == {
        "hourly_delays": "raise SystemExit('not to be run here')\n"
    }


def test_reset_puts_the_starter_into_the_next_cell(run, shell, monkeypatch):
    put = []
    monkeypatch.setattr(shell, "set_next_input", put.append)
    assert "its starter is in the cell below" in run('lab.reset("hourly_delays")')
    run('lab.reset("tumbling")')
    assert put[0].startswith("%%worker hourly_delays\n")
    assert put[1].startswith("def tumbling(")
    assert "raise NotImplementedError" in put[1]


@pytest.mark.parametrize("verb", ["check", "hint", "solution", "reset", "task"])
def test_an_exercise_that_is_not_there_is_one_line(run, shell, verb):
    with pytest.raises(StreamgymError) as raised:
        getattr(shell.user_ns["lab"], verb)("tumblin")
    assert str(raised.value).startswith("there is no exercise 'tumblin': choose one of tumbling,")


def test_a_question_without_variants_has_no_task(run, shell):
    with pytest.raises(ValueError, match="the same for everybody"):
        shell.user_ns["lab"].task("tumbling")


def test_variants_are_drawn_from_the_name(run, shell):
    ada = shell.user_ns["lab"].task("patience")
    again = Lab("03_windowing", student="ada", namespace={}).task("patience")
    others = [Lab("03_windowing", name, {}).task("patience") for name in ("ben", "chen", "dara")]
    assert ada["flights"].equals(again["flights"])
    assert not all(ada["flights"].equals(other["flights"]) for other in others)


def test_without_solutions_there_is_a_way_on(run, shell, monkeypatch, tmp_path):
    monkeypatch.setenv("STREAMGYM_COURSE", str(tmp_path))
    lab = shell.user_ns["lab"]
    with pytest.raises(StreamgymError, match="ask your instructor"):
        lab.solution("tumbling")
    assert not lab.progress_file.standing("03_windowing", "tumbling").solution_seen


def test_a_stopped_check_counts_nothing(run, shell, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    lab = shell.user_ns["lab"]
    monkeypatch.setattr(lab, "judge", interrupted)
    with capture_output(), pytest.raises(KeyboardInterrupt):
        lab.check("tumbling")
    assert lab.progress_file.standing("03_windowing", "tumbling").attempts == 0


def test_a_lab_that_is_not_there_is_one_line():
    assert "03_windowing" in labs.lab_names()
    with pytest.raises(StreamgymError, match="there is no lab '03_window'"):
        Lab("03_window", namespace={})
