"""The progress file: the best points stay, and two notebooks can write at once."""

import json
import multiprocessing

import pytest

from streamgym.checks.results import Result, Verdict
from streamgym.errors import StreamgymError
from streamgym.lab.progress import Progress, Standing


def result(points, verdict=Verdict.FAILED):
    return Result("tumbling", "Tumbling", verdict, points, 10)


@pytest.fixture
def progress(tmp_path):
    return Progress(tmp_path / "not" / "there" / "yet")


def test_nothing_was_done_at_first(progress):
    assert progress.standing("lab", "tumbling") == Standing()
    assert not progress.path.exists()


def test_the_best_points_stay_and_attempts_count(progress):
    for points in (4, 6, 2):
        progress.record("lab", result(points))
    assert progress.standing("lab", "tumbling") == Standing(6, "failed", attempts=3)


def test_what_passed_stays_passed(progress):
    progress.record("lab", result(10, Verdict.PASSED))
    progress.record("lab", result(10, Verdict.FAILED))
    assert progress.standing("lab", "tumbling") == Standing(10, "passed", attempts=2)


def test_an_untouched_starter_is_no_attempt(progress):
    progress.record("lab", result(0, Verdict.NOT_ATTEMPTED))
    assert progress.standing("lab", "tumbling") == Standing()


def test_what_could_not_be_graded_is_no_attempt_and_takes_no_points(progress):
    progress.record("lab", result(4))
    progress.record("lab", result(0, Verdict.UNGRADABLE))
    assert progress.standing("lab", "tumbling") == Standing(4, "failed", attempts=1)


def test_hints_climb_to_the_last_one(progress):
    assert [progress.next_hint("lab", "tumbling", 2) for _ in range(3)] == [1, 2, 2]
    assert progress.standing("lab", "tumbling").hints == 2


def test_forgetting_one_exercise_leaves_the_others(progress):
    progress.record("lab", result(4))
    progress.record("other", result(5))
    progress.forget("lab", "tumbling")
    progress.forget("lab", "never_there")
    assert progress.standing("lab", "tumbling") == Standing()
    assert progress.standing("other", "tumbling").points == 5


def write_often(folder, lab):
    progress = Progress(folder)
    for _ in range(25):
        progress.next_hint(lab, "mine", 1000)
        progress.next_hint("shared", "both", 1000)


def test_two_notebooks_that_write_at_once_lose_nothing(tmp_path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_often, args=(tmp_path, lab)) for lab in ("a", "b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    progress = Progress(tmp_path)
    assert progress.standing("a", "mine").hints == progress.standing("b", "mine").hints == 25
    assert progress.standing("shared", "both").hints == 50


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"a/b": 7}', '{"a/b": {"unknown": 1}}'])
def test_a_file_that_cannot_be_read_is_left_alone_and_named(tmp_path, text):
    progress = Progress(tmp_path)
    progress.path.write_text(text)
    with pytest.raises(StreamgymError) as raised:
        progress.record("lab", result(4))
    assert str(progress.path) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert progress.path.read_text() == text


def test_the_file_is_plain_json(progress):
    progress.record("lab", result(4))
    saved = json.loads(progress.path.read_text())
    assert saved["lab/tumbling"]["points"] == 4
