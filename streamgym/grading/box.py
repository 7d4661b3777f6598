"""A box: one process that runs a submission's code, in a sandbox and a folder of its own.

A keeper guards it (:mod:`streamgym.stack.kept`): stopping the box, or the end of this process
however it comes, ends all that runs in the box and removes the folder.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

from streamgym.grading.policy import DISK, FILES, environment, link_package, policy
from streamgym.stack.kept import Kept

LOG_TAIL = 2000
"""How many bytes of a process's output are read back."""


LOOK_SECONDS = 1.0
"""How often to look how full a box is."""


class Box:
    """A folder with a ``home`` for the submission, and at most one process that runs there.

    Args:
        net_allow: addresses ``host:port`` that the process may connect to.
        sandboxed: False runs it without protection.
        fills: further folders that it may fill, by what it sends to a server.
        within: a folder to make its own in, whose owner removes it; then the box outlives its
            processes, one after the other.
    """

    def __init__(
        self,
        net_allow: Iterable[str] = (),
        sandboxed: bool = True,
        fills: Iterable[Path] = (),
        within: Path | None = None,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="streamgym-", dir=within))
        self._cleanup = [] if within else [self.folder]
        self.home = self.folder / "home"
        self.home.mkdir()
        self._log = (self.folder / "log").open("w+b")
        imports = link_package(self.folder / "imports")
        self._env = {**environment(self.home), "PYTHONPATH": str(imports)}
        self._policy = policy(self.home, net_allow, [imports]) if sandboxed else None
        self._filled = [self.folder, *fills]
        self._kept: Kept | None = None
        self._looked = 0.0

    def start(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Start a command with these environment variables added, after what ran here before.

        Raises:
            StreamgymError: it could not be started.
        """
        self.end()
        self._kept = Kept.start(
            command,
            env={**self._env, **env},
            cwd=self.home,
            log=Path(self._log.name),
            sandbox=self._policy,
            cleanup=self._cleanup,
            grace=0,
        )

    @property
    def running(self) -> bool:
        """Whether a process was started and has not been stopped; it may have ended."""
        return self._kept is not None

    def wait(self, seconds: float) -> int | None:
        """Wait for the end; return the exit code, or None when it still runs.

        A process that has filled its disk is killed.
        """
        assert self._kept
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self._kept.wait(min(LOOK_SECONDS, max(0, deadline - time.monotonic())))
            except subprocess.TimeoutExpired:
                self._look_at_disk()
            if time.monotonic() >= deadline:
                return None

    def interrupt(self, number: int) -> None:
        """Send a signal to the process, if it still runs."""
        with suppress(ProcessLookupError):  # it may just have ended
            if self._kept and self._kept.alive():
                self._kept.interrupt(number)

    def end(self) -> None:
        """End all that runs in the box."""
        if self._kept:
            self._kept.stop()

    def stop(self) -> None:
        """End all that runs in the box, and remove its folder."""
        self.end()
        self._kept = None
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def output(self) -> str:
        """Return the last part of what the process has written; also after its end."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - LOG_TAIL))
        return self._log.read().decode(errors="replace").strip()

    def _look_at_disk(self) -> None:
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._looked = time.monotonic()
            if _are_full(self._filled):
                self.interrupt(signal.SIGKILL)


def _are_full(folders: Iterable[Path]) -> bool:
    files = used = 0
    for parent, _, names in chain.from_iterable(map(os.walk, folders)):
        for name in names:
            files += 1
            used += _bytes(Path(parent, name))
            if files > FILES or used > DISK:
                return True
    return False


def _bytes(path: Path) -> int:
    try:
        return path.lstat().st_blocks * 512
    except OSError:  # it has gone meanwhile
        return 0
