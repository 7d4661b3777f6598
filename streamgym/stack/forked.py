"""Keepers that are forked from a process which has imported what most workers import."""

import atexit
import os
import signal
import socket
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from select import POLLIN, poll
from threading import Lock

from streamgym.errors import StreamgymError
from streamgym.stack.keeper import FEW_THREADS

CLOSING = 1.0
"""How many seconds a fork server is waited for."""


class ForkedKeeper:
    """A keeper, with what its owner needs of :class:`subprocess.Popen`."""

    def __init__(self) -> None:
        pipes = [os.pipe() for _ in range(3)]
        (stdin, writing), (reading, stdout), (self._status, status) = pipes
        self.stdin, self.stdout = os.fdopen(writing, "wb", 0), os.fdopen(reading, "rb", 0)
        weakref.finalize(self, os.close, self._status)
        self.returncode: int | None = None
        self._reading = Lock()
        try:
            self.pid = server().fork([stdin, stdout, status])
        finally:
            for theirs in (stdin, stdout, status):
                os.close(theirs)

    def poll(self) -> int | None:
        """Return the child's exit code, or None while the keeper runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the child's exit code.

        Raises:
            subprocess.TimeoutExpired: the keeper did not end within ``timeout`` seconds.
        """
        ending = poll()
        ending.register(self._status, POLLIN)
        if not ending.poll(None if timeout is None else 1000 * timeout):
            raise subprocess.TimeoutExpired("keeper", timeout or 0)
        with self._reading:
            if self.returncode is None:
                self.returncode = self._told()
        return self.returncode

    def terminate(self) -> None:
        """Ask the keeper to end its child."""
        with suppress(ProcessLookupError):  # it may just have ended
            if self.poll() is None:
                os.kill(self.pid, signal.SIGTERM)

    def _told(self) -> int:
        with os.fdopen(self._status, "rb", closefd=False) as status:
            return int(status.read() or -signal.SIGKILL)


class ForkServer:
    """The process that keepers are forked from (see :mod:`.forkserver`).

    Attributes:
        folder: for what keepers work on; it goes with the owner of this process.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._socket, theirs = socket.socketpair()
        self._asking = Lock()
        with theirs:
            module, number = "streamgym.stack.forkserver", str(theirs.fileno())
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, number, self.folder],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, **FEW_THREADS},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        atexit.register(self.close)

    def fork(self, pipes: Sequence[int]) -> int:
        """Return the process id of a new keeper with these ends of pipes.

        Raises:
            StreamgymError: this process has ended.
        """
        with self._asking, suppress(OSError):
            socket.send_fds(self._socket, [b"."], pipes)
            if pid := self._socket.recv(4):
                return int.from_bytes(pid, "big")
        raise StreamgymError("the process that starts workers was ended: try again")

    def has_ended(self) -> bool:
        """Return whether the process has ended, as when somebody has killed it."""
        return self._process.poll() is not None

    def close(self) -> None:
        """End the process, or let it end after the workers that this process leaves running."""
        self._socket.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSING)


_servers: dict[int, ForkServer] = {}
_starting = Lock()


def server() -> ForkServer:
    """Return the server of this process, which a child that was forked from it must not use."""
    with _starting:
        found = _servers.get(os.getpid())
        if found is None or found.has_ended():
            folder = found.folder if found else Path(tempfile.mkdtemp(prefix="streamgym-"))
            found = _servers[os.getpid()] = ForkServer(folder)
        return found
