"""A grading that is stopped, in whatever way, leaves no process and no folder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from streamgym.grading.gradebook import Gradebook

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("course")]

GRADE = """
import sys
from pathlib import Path
from streamgym.grading.batch import grade_all
grade_all([Path(sys.argv[1])], Path(sys.argv[2]), progress=False)
"""
SECONDS = 30


@pytest.fixture
def grading(tmp_path: Path, write, solved):
    """A process that has graded a broken file, and now grades a notebook that takes long."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.ipynb").write_text("{")
    busy = "import time\nopen('started', 'w').close()\ntime.sleep(600)"
    write(tmp_path / "in", "busy", [solved[0], busy])
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", GRADE, tmp_path / "in", tmp_path / "out"],
        env={**os.environ, "TMPDIR": str(scratch)},
        stderr=subprocess.DEVNULL,
    )
    until(lambda: list(scratch.glob("*/home/started")), process)
    yield process, scratch, tmp_path / "out"
    process.kill()
    process.wait()


def until(true, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_of_a_grading_that_was_stopped(grading, number: int) -> None:
    process, scratch, out = grading
    below = psutil.Process(process.pid).children(recursive=True)
    assert any("ipykernel_launcher" in " ".join(each.cmdline()) for each in below)
    process.send_signal(number)
    process.wait(SECONDS)
    _, alive = psutil.wait_procs(below, timeout=SECONDS)
    assert not alive
    assert not list(scratch.iterdir())
    assert [row.student for row in Gradebook(out).rows()] == ["a"]
