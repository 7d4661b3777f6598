"""A submission's worker as a process in a box; see :mod:`streamgym.faults.process`."""

import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from streamgym.errors import Ungradable
from streamgym.grading import usage
from streamgym.grading.box import KILLED, Box

SCRIPT = "worker.py"
SCHEMES = ("sc", "postgresql", "http")
"""Of the addresses of systems; bootstrap servers have none."""


class BoxedWorkspace:
    """The folder and the text of one worker.

    Args:
        script: its text.
        defaults: environment variables of every process.
        box: makes the box for a process with these environment variables.
    """

    def __init__(
        self, script: str, defaults: Mapping[str, str], box: Callable[[Mapping[str, str]], Box]
    ) -> None:
        self._script = script
        self._defaults = defaults
        self._make = box
        self._box: Box | None = None

    def start(self, env: Mapping[str, str]) -> "BoxedProcess":
        """Start it with these environment variables added; the first say whom it may reach."""
        variables = {**self._defaults, **env}
        if self._box is None:
            self._box = self._make(variables)
            (self._box.home / SCRIPT).write_text(self._script)
        self._box.start([sys.executable, SCRIPT], variables)
        return BoxedProcess(self._box)

    def has_files(self) -> bool:
        """Return whether the worker has left files in its folder."""
        return self._box is not None and any(p.name != SCRIPT for p in self._box.home.iterdir())

    @property
    def folder(self) -> Path:
        """Where the worker runs, once it was started."""
        assert self._box
        return self._box.home

    def close(self) -> None:
        """End what still runs, and remove the folder."""
        if self._box:
            self._box.stop()


class BoxedProcess:
    """The process that runs in a box; see :class:`streamgym.faults.process.Process`."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._killed = False

    def kill(self) -> None:
        """End it and all that it started at once."""
        self._killed = True
        self._box.interrupt(signal.SIGKILL)
        self._box.end()

    def freeze(self) -> None:
        """Stop it where it is."""
        self._box.interrupt(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on."""
        self._box.interrupt(signal.SIGCONT)

    def wait(self, seconds: float) -> int | None:
        """Wait for its end; return its exit code, or None when it still runs.

        Raises:
            Ungradable: it was killed, but not by :meth:`kill`, or it met a limit.
        """
        code = self._box.wait(seconds)
        if code in KILLED and not self._killed:
            raise Ungradable(f"the worker {self._box.why_killed}")
        if code and (refused := usage.refused(self.errors().rpartition("\n")[2])):
            raise Ungradable(f"the worker {refused}")
        return code

    def errors(self) -> str:
        """Return the end of what it wrote."""
        return self._box.output()


def addresses(variables: Mapping[str, str]) -> list[str]:
    """Return the addresses, as host:port, of the systems that these variables tell of."""
    urls = [urlsplit(value) for value in variables.values() if "://" in value]
    told = [url.netloc.rpartition("@")[2] for url in urls if url.scheme in SCHEMES]
    kafka = variables.get("KAFKA_BOOTSTRAP_SERVERS")
    return [*(kafka.split(",") if kafka else ()), *told]
