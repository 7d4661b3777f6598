"""A box: one process that runs a submission's code, in a sandbox and a folder of its own.

A keeper guards it (:mod:`streamgym.stack.kept`): stopping the box, or the end of this process
however it comes, ends all that runs in the box and removes the folder.
"""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from streamgym.checks.limits import Limits, amount
from streamgym.grading import usage
from streamgym.grading.policy import DEFAULTS, environment, link_package, policy
from streamgym.stack.kept import Kept
from streamgym.stack.removal import remove

KILLED = (-1, 255)
"""The exit codes that the sandbox reports for a process that a signal ended."""

LOG_TAIL = 2000
"""How many bytes of a process's output are read back."""


class Box:
    """A folder with a ``home`` for the submission, and at most one process that runs there.

    Args:
        net_allow: addresses ``host:port`` that the process may connect to.
        sandboxed: False runs it without protection.
        fills: further folders that it may fill, by what it sends to a server.
        within: a folder to make its own in, whose owner removes it; then the box outlives its
            processes, one after the other.
        limits: what it may use.

    Attributes:
        excess: what the process was killed for, such as ``used more than 1 GB of disk``.
    """

    def __init__(
        self,
        net_allow: Iterable[str] = (),
        sandboxed: bool = True,
        fills: Iterable[Path] = (),
        within: Path | None = None,
        limits: Limits = DEFAULTS,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="streamgym-", dir=within))
        self._cleanup = [] if within else [self.folder]
        self.home = self.folder / "home"
        self.home.mkdir()
        self._log = (self.folder / "log").open("w+b")
        imports = link_package(self.folder / "imports")
        self._env = {**environment(self.home), "PYTHONPATH": str(imports)}
        self._policy = policy(self.home, net_allow, [imports], limits) if sandboxed else None
        self._filled = [self.folder, *fills]
        self._limits = limits
        self._kept: Kept | None = None
        self.excess = ""

    def start(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Start a command with these environment variables added, after what ran here before.

        Raises:
            StreamgymError: it could not be started.
        """
        self.end()
        self.excess = ""
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
        """Wait for the end; return the exit code, or None when it still runs."""
        assert self._kept
        try:
            return self._kept.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def look(self) -> None:
        """Kill the process when it has used more than it may."""
        kept = self._kept
        if kept and kept.alive() and not self.excess:
            with suppress(OSError, ValueError, psutil.Error):  # it may just have ended
                self.excess = self._excess(kept)
            if self.excess:
                self.interrupt(signal.SIGKILL)

    @property
    def why_killed(self) -> str:
        """Why a process was killed; that it used up its memory is known of the sandbox alone."""
        memory = amount(self._limits.memory)
        return self.excess or f"used more than {memory} of memory, or was ended by a signal"

    def interrupt(self, number: int) -> None:
        """Send a signal to the process, if it still runs."""
        with suppress(ProcessLookupError):  # it may just have ended
            if self._kept and self._kept.alive():
                self._kept.interrupt(number)

    def freeze(self) -> None:
        """Stop all that runs in the box where it is, until :meth:`wake`."""
        while running := [p for p in self.processes() if _runs(p)]:  # and who is born meanwhile
            for process in running:
                with suppress(psutil.Error):
                    process.suspend()

    def wake(self) -> None:
        """Let all that runs in the box go on."""
        for process in self.processes():
            with suppress(psutil.Error):
                process.resume()

    def processes(self) -> list[psutil.Process]:
        """Return all that runs in the box."""
        with suppress(psutil.Error):
            keeper = self._kept.keeper.process() if self._kept else None
            return keeper.children(recursive=True) if keeper else []
        return []

    def end(self) -> None:
        """End all that runs in the box."""
        if self._kept:
            self._kept.stop()

    def stop(self) -> None:
        """End all that runs in the box, and remove its folder."""
        self.end()
        self._kept = None
        self._log.close()
        remove(self.folder)

    def output(self) -> str:
        """Return the last part of what the process has written; also after its end."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - LOG_TAIL))
        return self._log.read().decode(errors="replace").strip()

    def _excess(self, kept: Kept) -> str:
        if os.fstat(self._log.fileno()).st_size > self._limits.output:
            return f"printed more than {amount(self._limits.output)}"
        return usage.excess(self._limits, kept.keeper.process(), self._filled)


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    return False
