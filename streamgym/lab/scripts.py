"""Running a learner's worker as a process of its own."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from streamgym.checks.answers import Run, Ungradable

TAIL = 2000
"""How many characters of error output are kept."""


def run_script(script: str, env: Mapping[str, str], seconds: float) -> Run:
    """Run a script's text with these environment variables added, and wait for its end.

    Raises:
        Ungradable: it did not end within ``seconds``; it is killed with all it started.
    """
    with tempfile.TemporaryDirectory(prefix="streamgym-worker-") as folder:
        path = Path(folder) / "worker.py"
        path.write_text(script)
        log = Path(folder) / "errors.txt"
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, str(path)],
                cwd=folder,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )
            try:
                returncode = process.wait(seconds)
            except subprocess.TimeoutExpired:
                raise Ungradable(f"the worker did not end within {seconds:.0f} s") from None
            finally:
                end_tree(process)
        return Run(returncode, tail(log))


def end_tree(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process that leads a session, and all that it started, if they still run."""
    started: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        started = psutil.Process(process.pid).children(recursive=True)
    with suppress(ProcessLookupError):  # finds orphans too, when it ended before them
        os.killpg(process.pid, signal.SIGKILL)
    for one in started:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait()


def tail(log: Path) -> str:
    """Return the end of a log file as text."""
    return log.read_bytes()[-TAIL:].decode(errors="replace").strip()
