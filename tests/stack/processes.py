"""Processes of the tests: others that use the stack, and the proof that they are gone."""

import contextlib
import os
import signal

import psutil
from tenacity import retry, stop_after_delay, wait_fixed

from streamgym.stack.kept import Identity


def kill(process):
    """Kill a process as nobody can prevent, and read what it said."""
    process.kill()
    if not process.stdout.closed:
        process.communicate()


@retry(stop=stop_after_delay(15), wait=wait_fixed(0.05), reraise=True)
def assert_gone(*identities):
    assert not [i for i in identities if i.process()]


@retry(stop=stop_after_delay(15), wait=wait_fixed(0.02), reraise=True)
def children_of(pid, number):
    found = [Identity.of(p.pid) for p in psutil.Process(pid).children(recursive=True)]
    assert len(found) >= number
    return found


def identities(line):
    """Read the processes that a line of numbers names."""
    return [Identity.of(int(number)) for number in line.split()]


def end(*identities):
    """Kill what a test is known to leave."""
    for identity in identities:
        with contextlib.suppress(ProcessLookupError):
            if identity.process():
                os.kill(identity.pid, signal.SIGKILL)
