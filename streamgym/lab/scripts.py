"""A learner's worker as a process of its own, under a keeper."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from streamgym.faults.process import Workspace
from streamgym.stack import forked
from streamgym.stack.kept import Kept
from streamgym.stack.removal import remove

TAIL = 2000
"""How many characters of error output are kept."""

SCRIPT = "worker.py"


@contextmanager
def workspace(script: str) -> Iterator[Workspace]:
    """Give a worker's text a folder of its own, where it can be started."""
    folder = Path(tempfile.mkdtemp(dir=forked.server().folder))
    here = _Workspace(folder, script)
    try:
        yield here
    finally:
        here.end()
        remove(folder)


class _Workspace:
    def __init__(self, folder: Path, script: str) -> None:
        self._home = folder / "home"
        self._home.mkdir()
        (self._home / SCRIPT).write_text(script)
        self._log = folder / "log"
        self._started: list[ScriptProcess] = []

    def start(self, env: Mapping[str, str]) -> "ScriptProcess":
        log = self._log.with_suffix(f".{len(self._started)}")
        process = ScriptProcess(
            Kept.start(
                [sys.executable, SCRIPT],
                env={**os.environ, **env},
                cwd=self._home,
                log=log,
                stop_signal=signal.SIGKILL,
                forked=True,
            ),
            log,
        )
        self._started.append(process)
        return process

    def has_files(self) -> bool:
        return any(path.name != SCRIPT for path in self._home.iterdir())

    @property
    def folder(self) -> Path:
        return self._home

    def end(self) -> None:
        for process in self._started:
            process.kill()


class ScriptProcess:
    """A process of :func:`workspace`; see :class:`streamgym.faults.process.Process`."""

    def __init__(self, kept: Kept, log: Path) -> None:
        self._kept, self._log = kept, log

    def kill(self) -> None:
        """End it and all that it started at once."""
        self._send(signal.SIGKILL)
        self._kept.stop()

    def freeze(self) -> None:
        """Stop it where it is."""
        self._send(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def wait(self, seconds: float) -> int | None:
        """Wait for its end; return its exit code, or None when it still runs."""
        try:
            return self._kept.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def errors(self) -> str:
        """Return the end of what it wrote."""
        written = self._log.read_bytes() if self._log.exists() else b""
        return written[-TAIL:].decode(errors="replace").strip()

    def _send(self, number: int) -> None:
        with suppress(ProcessLookupError):  # it may just have ended
            if self._kept.alive():
                self._kept.interrupt(number)
