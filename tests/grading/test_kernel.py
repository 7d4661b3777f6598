"""A kernel stands still while nobody asks it anything."""

import time
from collections.abc import Iterator

import psutil
import pytest

from streamgym.grading.box import Box
from streamgym.grading.kernel import Kernel

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("course")]

COUNTS = """
import subprocess, sys
counting = "n = 0\\nwhile True:\\n    n += 1\\n    open('count', 'w').write(str(n))"
subprocess.Popen([sys.executable, "-c", counting], start_new_session=True)
"""
SECONDS = 30


@pytest.fixture
def box() -> Iterator[Box]:
    box = Box()
    yield box
    box.stop()


@pytest.fixture
def kernel(box: Box) -> Iterator[Kernel]:
    kernel = Kernel(box, {})
    yield kernel
    kernel.stop()


def count(box: Box) -> str:
    path = box.home / "count"
    return path.read_text() if path.exists() else ""


def wait_until_it_counts_on(box: Box, seen: str) -> None:
    deadline = time.monotonic() + SECONDS
    while count(box) in ("", seen):
        assert time.monotonic() < deadline, "it does not count"
        time.sleep(0.01)


def test_all_that_a_notebook_has_started_stands_still_until_it_is_asked(
    box: Box, kernel: Kernel
) -> None:
    list(kernel.execute(COUNTS, SECONDS))
    wait_until_it_counts_on(box, "")
    kernel.freeze()
    seen, processes = count(box), box.processes()
    assert len(processes) >= 2
    assert {process.status() for process in processes} == {psutil.STATUS_STOPPED}
    with kernel.awake():
        wait_until_it_counts_on(box, seen)
        assert list(kernel.execute("1", SECONDS))
    assert {process.status() for process in box.processes()} == {psutil.STATUS_STOPPED}
