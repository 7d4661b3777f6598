"""A process under a keeper, as its owner sees it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from streamgym.errors import StreamgymError
from streamgym.stack.forked import ForkedKeeper
from streamgym.stack.keeper import FEW_THREADS


@dataclass(frozen=True)
class Identity:
    """A process beyond doubt: its id may be used again, its time of birth may not."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> "Identity":
        """Return the identity of a running process."""
        return cls(pid, psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """Return the process, or None when it has ended."""
        try:
            found = psutil.Process(self.pid)
            gone = found.create_time() != self.created or found.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return None if gone else found


class Kept:
    """A running child with its keeper; both end when this process does, unless detached.

    Attributes:
        pid: the child's.
        keeper: the keeper's identity; ending the keeper ends the child in order.
    """

    def __init__(
        self, keeper: "subprocess.Popen[bytes] | ForkedKeeper", identity: Identity, pid: int
    ) -> None:
        self._keeper = keeper
        self.keeper = identity
        self.pid = pid

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        log: Path | None = None,
        sandbox: Mapping[str, Any] | None = None,
        user: str = "",
        forked: bool = False,
        cleanup: Sequence[Path] = (),
        stop_signal: int = signal.SIGTERM,
        grace: float = 5.0,
    ) -> "Kept":
        """Start a command under a keeper.

        Args:
            command: what to run.
            env: its whole environment, beside :data:`FEW_THREADS`.
            cwd: its working directory.
            log: the file that its output is appended to; dropped when None.
            sandbox: a policy, as keyword arguments of ``sandlock.Sandbox``.
            user: whom it runs as, when this process is root's and it must not be.
            forked: the command is Python's own with a script, which starts sooner when it is forked
                from a process that has imported what workers mostly import.
            cleanup: folders to remove when it has ended.
            stop_signal: what asks it to end.
            grace: seconds between asking it to end and killing it.

        Raises:
            StreamgymError: it could not be started.
        """
        spec = {
            "command": [str(part) for part in command],
            "env": {**FEW_THREADS, **env},
            "cwd": str(cwd) if cwd else None,
            "log": str(log) if log else None,
            "sandbox": dict(sandbox) if sandbox is not None else None,
            "user": user,
            "forked": forked,
            "cleanup": [str(folder) for folder in cleanup],
            "stop_signal": int(stop_signal),
            "grace": grace,
        }
        keeper = ForkedKeeper() if forked else _keeper()
        assert keeper.stdin
        assert keeper.stdout
        identity = Identity.of(keeper.pid)  # it waits for the spec: it has not ended yet
        try:
            keeper.stdin.write(json.dumps(spec).encode() + b"\n")
            line = keeper.stdout.readline()
        except BaseException:
            keeper.stdin.close()
            raise
        reply = json.loads(line or '{"error": "its keeper ended"}')
        if "error" in reply:
            keeper.stdin.close()
            raise StreamgymError(f"{Path(command[0]).name} could not be started: {reply['error']}")
        return cls(keeper, identity, int(reply["pid"]))

    def alive(self) -> bool:
        """Return whether the child still runs."""
        return self._keeper.poll() is None

    def last_words(self) -> str:
        """Return the end of the log of a child that has ended; empty while it runs."""
        assert self._keeper.stdout
        if self.alive() or self._keeper.stdout.closed:
            return ""
        return self._keeper.stdout.read().decode(errors="replace")

    def detach(self) -> None:
        """Let the child live on when this process ends."""
        assert self._keeper.stdin
        os.write(self._keeper.stdin.fileno(), b"detach\n")

    def interrupt(self, number: int) -> None:
        """Send a signal to the child."""
        os.kill(self.pid, number)

    def stop(self) -> None:
        """End the child and all that it started, and wait until they are gone."""
        assert self._keeper.stdin
        assert self._keeper.stdout
        self._keeper.stdin.close()
        self._keeper.terminate()
        self._keeper.wait()
        self._keeper.stdout.close()

    def wait(self, seconds: float | None = None) -> int:
        """Wait for the child's exit code.

        Raises:
            subprocess.TimeoutExpired: it did not end within ``seconds``.
        """
        return self._keeper.wait(seconds)


def _keeper() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "streamgym.stack.keeper"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
    )
