"""A box: one process that runs a submission's code, in a sandbox and a folder of its own.

A keeper guards it (:mod:`streamgym.stack.kept`): stopping the box, or the end of this process
however it comes, ends all that runs in the box and removes the folder.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from streamgym.grading.policy import environment, link_package, policy
from streamgym.stack.kept import Kept

LOG_TAIL = 2000
"""How many bytes of a process's output are read back."""


class Box:
    """A folder with a ``home`` for the submission, and at most one process that runs there.

    Args:
        net_allow: addresses ``host:port`` that the process may connect to.
        sandboxed: False runs it without protection.
    """

    def __init__(self, net_allow: Iterable[str] = (), sandboxed: bool = True) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="streamgym-"))
        self.home = self.folder / "home"
        self.home.mkdir()
        self._log = (self.folder / "log").open("w+b")
        imports = link_package(self.folder / "imports")
        self._env = {**environment(self.home), "PYTHONPATH": str(imports)}
        self._policy = policy(self.home, net_allow, [imports]) if sandboxed else None
        self._kept: Kept | None = None

    def start(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Start a command with these environment variables added.

        Raises:
            StreamgymError: it could not be started.
        """
        self._kept = Kept.start(
            command,
            env={**self._env, **env},
            cwd=self.home,
            log=Path(self._log.name),
            sandbox=self._policy,
            cleanup=[self.folder],
            grace=0,
        )

    @property
    def running(self) -> bool:
        """Whether a process was started and has not been stopped; it may have ended."""
        return self._kept is not None

    def wait(self, seconds: float) -> int | None:
        """Wait for the end; return the exit code, or None when it still runs."""
        assert self._kept
        try:
            return self._kept.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def interrupt(self, number: int) -> None:
        """Send a signal to the process, if it still runs."""
        if self._kept and self._kept.alive():
            self._kept.interrupt(number)

    def stop(self) -> None:
        """End all that runs in the box, and remove its folder."""
        if self._kept:
            self._kept.stop()
            self._kept = None
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def output(self) -> str:
        """Return the last part of what the process has written; also after its end."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - LOG_TAIL))
        return self._log.read().decode(errors="replace").strip()
