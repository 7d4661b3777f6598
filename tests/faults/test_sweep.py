"""The crash sweep: which points a run has, and what workers, right and wrong, leave behind."""

from dataclasses import replace
from functools import partial
from random import Random

import psutil
import pytest

from streamgym.errors import NotAttempted, Ungradable
from streamgym.faults.sweep import Point, Stage, ordinal, points, run_once, sweep
from streamgym.faults.trace import Event
from streamgym.faults.wire import Request
from streamgym.lab.scripts import workspace

from . import workers


def events(*kinds):
    numbers = [kinds[: n + 1].count(kind) for n, kind in enumerate(kinds)]
    return [
        Event(0.0, "worker", number, Request(b"", kind, durable=True))
        for kind, number in zip(kinds, numbers, strict=True)
    ]


BATCHES = events(*["Produce", "OffsetCommit"] * 4)


def test_the_points_of_the_first_and_of_one_later_batch():
    found = points(BATCHES, Random(1), keeps_files=False)
    assert found[0] == Point("after", "Produce", 1)
    assert found[1] == Point("after", "OffsetCommit", 1)
    assert {(p.when, p.kind) for p in found[2:4]} == {
        ("after", "Produce"),
        ("after", "OffsetCommit"),
    }
    assert all(p.number > 1 for p in found[2:4])
    assert found[4] == Point("before", "Produce", 1)
    assert found[5] == Point("meanwhile", "Produce", 1)
    assert len(found) == len(set(found)) == 6


def test_a_commit_and_an_abort_are_two_kinds():
    ends = [
        Event(0.0, "worker", n, Request(b"", "EndTxn", durable=True, commits=n % 2 == 0))
        for n in range(1, 7)
    ]
    found = points(ends, Random(1), keeps_files=False)
    assert found[:2] == [Point("after", "EndTxn", 1), Point("after", "EndTxn", 2)]
    assert sorted(p.number % 2 for p in found[2:4]) == [0, 1]


def test_a_worker_that_keeps_files_is_also_killed_before_each_request():
    found = points(BATCHES, Random(1), keeps_files=True)
    assert sum(p.when == "before" for p in found) == sum(p.when == "after" for p in found) == 4
    assert [p.when for p in found[:2]] == ["before", "after"]


def test_the_seed_draws_the_later_batch_and_the_same_seed_the_same():
    drawn = {tuple(points(BATCHES, Random(n), keeps_files=False)) for n in range(20)}
    assert len(drawn) > 3
    again = [points(BATCHES, Random(3), keeps_files=False) for _ in range(2)]
    assert again[0] == again[1]


def test_a_run_that_changes_nothing_has_no_points():
    assert points([], Random(1), keeps_files=False) == []


def test_points_in_words():
    assert str(Point("before", "EndTxn", 2)) == "killed before the 2nd EndTxn arrived"
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 21, 102, 111)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "21st", "102nd", "111th",
    ]  # fmt: skip


def swept(script, stage, seed=1):
    return sweep(partial(workspace, script), stage, Random(seed))


def broken(found):
    """Return the properties that broke, each with the kinds of points at which it did."""
    return {
        (name, trial.point.when, trial.point.kind)
        for trial in found.crashes
        for name, offending in trial.broken.items()
        if offending
    }


@pytest.mark.stack
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_transactional_worker_survives_every_point_of_its_run(stage, seed):
    found = swept(workers.TRANSACTIONAL, stage, seed)
    assert not any(found.clean.broken.values())
    assert broken(found) == set()
    assert len(found.reached) >= 10
    kinds = {trial.point.kind for trial in found.reached}
    assert {"InitProducerId", "AddOffsetsToTxn", "Produce", "TxnOffsetCommit", "EndTxn"} <= kinds


@pytest.mark.stack
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("script", "due", "at"),
    [
        (workers.PRODUCE_THEN_COMMIT, "duplicated", ("after", "Produce")),
        (workers.COMMIT_THEN_PRODUCE, "lost", ("after", "OffsetCommit")),
        (workers.FLUSH_FORGOTTEN, "lost", ("meanwhile", "Produce")),
        (workers.NEVER_COMMITS, "duplicated", ("after", "Produce")),
    ],
    ids=["produce first", "commit first", "flush forgotten", "never commits"],
)
def test_what_each_wrong_worker_breaks_and_where(stage, script, due, at, seed):
    found = swept(script, stage, seed)
    assert not any(found.clean.broken.values())
    assert (due, *at) in broken(found)
    if script is workers.COMMIT_THEN_PRODUCE:
        assert {name for name, *_ in broken(found)} == {"lost"}
    if script is workers.PRODUCE_THEN_COMMIT:
        assert {name for name, *_ in broken(found)} == {"duplicated"}


@pytest.mark.stack
def test_the_trace_tells_of_the_crash(stage):
    trial = run_once(
        partial(workspace, workers.PRODUCE_THEN_COMMIT), stage(), Point("after", "Produce", 2)
    )
    assert trial.reached
    assert trial.broken["duplicated"]
    assert [what for _, _, what in trial.trace.marks] == ["killed", "started again"]
    assert any("Produce 2: arrived, but its answer was withheld" in x for x in trial.trace.lines())


@pytest.mark.stack
def test_files_outlive_a_crash_and_are_noticed(stage):
    found = swept(workers.KEEPS_A_FILE, stage)
    assert found.clean.keeps_files
    assert {trial.point.when for trial in found.crashes} == {"before", "after", "meanwhile"}
    plain = run_once(partial(workspace, workers.PRODUCE_THEN_COMMIT), stage())
    assert not plain.keeps_files


@pytest.mark.stack
def test_what_a_worker_left_in_its_folder_can_be_judged(stage):
    listed = lambda folder: {"files": [path.name for path in folder.iterdir()]}  # noqa: E731
    seen = replace(stage(), files=listed)
    trial = run_once(partial(workspace, workers.KEEPS_A_FILE), seen)
    assert len(trial.broken["files"]) == 2
    assert "worker.py" in trial.broken["files"]


@pytest.mark.stack
def test_a_point_that_is_not_reached_is_no_crash(stage):
    trial = run_once(
        partial(workspace, workers.NEVER_COMMITS), stage(), Point("before", "OffsetCommit", 1)
    )
    assert not trial.reached
    assert not any(trial.broken.values())


@pytest.mark.stack
def test_who_is_wrong_without_a_crash_is_not_killed(stage):
    found = swept(workers.READING + "print('nothing')", stage)
    assert len(found.clean.broken["lost"]) == 60
    assert found.crashes == []


ALONE = Stage(env={})


def test_a_worker_that_does_not_end_is_ungradable_and_gone():
    script = "import subprocess; subprocess.run(['sleep', '975'])"
    with pytest.raises(Ungradable, match="did not end within 1 s"):
        sweep(partial(workspace, script), lambda: ALONE, Random(1), seconds=1)
    assert not [p for p in psutil.process_iter(["cmdline"]) if "975" in (p.info["cmdline"] or [])]


def test_a_starter_is_not_attempted():
    with pytest.raises(NotAttempted):
        sweep(partial(workspace, "raise NotImplementedError"), lambda: ALONE, Random(1))
