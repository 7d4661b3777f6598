"""A grading goes on after its grader is killed, its broker is lost, or its disk is full."""

import gc
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from streamgym.grading.batch import grade_all
from streamgym.grading.gradebook import Gradebook

from .rows import gradebook

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("course")]

NAMES = ["ada", "ben", "chen"]
SEED = "the same every time"
MOMENTS, LONGEST = 20, 4.0
"""How often a grader is killed, and after how many seconds at most."""

FILLER = "fills the disk"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write, solved) -> Path:
    folder = tmp_path_factory.mktemp("submissions")
    for name in NAMES:
        write(folder, name, solved)
    return folder


@pytest.fixture(scope="module")
def undisturbed(course, folder, tmp_path_factory) -> list[dict[str, str]]:
    out = tmp_path_factory.mktemp("undisturbed")
    grade_all([folder], out, seed=SEED, progress=False)
    return gradebook(out)


@contextmanager
def grading(folder: Path, out: Path, **variables: str) -> "Iterator[subprocess.Popen[str]]":
    """Start ``streamgym grade``, or go on with it."""
    command = [Path(sys.executable).with_name("streamgym"), "grade", folder, "--out", out]
    process = subprocess.Popen(
        [*command, "--seed", SEED, "--resume"],
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


within_a_minute = retry(
    retry=retry_if_result(lambda found: not found), stop=stop_after_delay(60), wait=wait_fixed(0.02)
)


@within_a_minute
def has_rows(out: Path, number: int) -> bool:
    return (out / "results.sqlite").exists() and len(Gradebook(out).rows()) >= number


def test_a_grader_killed_after_each_submission_grades_each_once(folder, undisturbed, tmp_path):
    for number in range(1, len(NAMES) + 1):
        with grading(folder, tmp_path):
            has_rows(tmp_path, number)
    with grading(folder, tmp_path) as process:
        assert process.wait(60) == 0
    assert gradebook(tmp_path) == undisturbed
    graded = [e.student for e in Gradebook(tmp_path).history() if e.kind == "graded"]
    assert sorted(set(graded)) == NAMES
    assert len(graded) == 3 * len(NAMES)


def test_a_grader_killed_at_random_moments_grades_each_once(write, solved, tmp_path):
    folder, out, undisturbed = (tmp_path / name for name in ("in", "out", "undisturbed"))
    without_worker = [cell for cell in solved if "%%worker" not in cell]
    for number in range(MOMENTS):
        write(folder, f"student {number}", without_worker)
    for _ in range(MOMENTS):
        with grading(folder, out) as process, suppress(subprocess.TimeoutExpired):
            process.wait(random.uniform(0, LONGEST))
    with grading(folder, out) as process:
        assert process.wait(120) == 0
    grade_all([folder], undisturbed, jobs=2, seed=SEED, progress=False)
    assert gradebook(out) == gradebook(undisturbed)


WAITS_FOR_A_LOSS = """import os, socket, time
open("started", "w").close()
host, port = os.environ["KAFKA_BOOTSTRAP_SERVERS"].split(":")
deadline = time.monotonic() + 5
with __import__("contextlib").suppress(OSError):
    while time.monotonic() < deadline:
        socket.create_connection((host, int(port))).close()
        time.sleep(0.1)
"""


@within_a_minute
def broker_of(process: psutil.Process, scratch: Path) -> psutil.Process | None:
    """Wait until the notebook runs; return its broker."""
    if not list(scratch.glob("*/home/started")):
        return None
    below = process.children(recursive=True)
    return next((p for p in below if "kafka.Kafka" in " ".join(p.cmdline())), None)


def test_a_lost_broker_costs_nobody_a_point(write, solved, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    write(tmp_path / "in", "ada", [*solved, WAITS_FOR_A_LOSS])
    with grading(tmp_path / "in", tmp_path / "out", TMPDIR=str(scratch)) as process:
        broker_of(psutil.Process(process.pid), scratch).kill()
        assert process.wait(120) == 0
    (row,) = gradebook(tmp_path / "out")
    assert (row["status"], row["score"]) == ("graded", "6")


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of its own, of two megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True, check=False
    )
    if mount.returncode:
        pytest.skip("only root can mount a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_full_disk_stops_in_one_line_and_loses_nothing(folder, undisturbed, small_disk):
    with grading(folder, small_disk) as process:
        has_rows(small_disk, 1)
        with suppress(OSError), (small_disk / FILLER).open("wb", buffering=0) as file:
            while True:
                file.write(bytes(512))
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "disk is full" in said or "No space left on device" in said
    assert "go on with `--resume`" in said
    assert "Traceback" not in said
    (small_disk / FILLER).unlink()
    with grading(folder, small_disk) as process:
        assert process.wait(120) == 0
    assert gradebook(small_disk) == undisturbed


def test_many_submissions_leave_nothing_in_the_grader(write, solved, tmp_path):
    """The soak of ``benchmarks/soak.py``, in short: a leak grows with the number of submissions."""
    me, found = psutil.Process(), []
    for number in (3, 15):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name in range(number):
            write(folder, f"student{name}", [*solved, f"# {name}"])
        grade_all([folder], folder / "out", jobs=2, seed=SEED, progress=False)
        assert len({row["score"] for row in gradebook(folder / "out")}) == 1
        gc.collect()
        found.append((me.num_fds(), me.memory_info().rss, len(me.children(recursive=True))))
    (files, memory, processes), (files_of_many, memory_of_many, processes_of_many) = found
    assert processes_of_many == processes
    assert files_of_many < files + 12
    assert memory_of_many < memory + 30_000_000
