import subprocess
import sys

import pytest

from .processes import kill


@pytest.fixture
def python():
    """Start another Python that runs some code; it ends with the test."""
    started = []

    def start(code):
        command = [sys.executable, "-c", code]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield start
    for process in started:
        kill(process)
