"""What a fault is done to: a worker's process, in a workspace that outlives it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from streamgym.errors import NotAttempted, Ungradable


@dataclass(frozen=True)
class Run:
    """How a worker's process ended: its exit code and the last part of its error output."""

    returncode: int
    errors: str


class Process(Protocol):
    """A worker that was started."""

    def kill(self) -> None:
        """End it at once, as SIGKILL does; nothing of it runs when this returns."""

    def freeze(self) -> None:
        """Stop it where it is, as SIGSTOP does."""

    def wake(self) -> None:
        """Let a frozen one go on."""

    def wait(self, seconds: float) -> int | None:
        """Wait for its end; return its exit code, or None when it still runs."""

    def errors(self) -> str:
        """Return the last part of what it wrote."""


class Workspace(Protocol):
    """A folder of one worker, in which it can be started again and again."""

    def start(self, env: Mapping[str, str]) -> Process:
        """Start the worker with these environment variables added."""

    def has_files(self) -> bool:
        """Return whether the worker has left files in its folder."""

    @property
    def folder(self) -> Path:
        """Where the worker runs; whatever is in it is the worker's, and not to be trusted."""


OpenWorkspace = AbstractContextManager[Workspace]
"""A workspace that ends its processes and goes when it is left."""


def finish(process: Process, seconds: float) -> Run:
    """Wait for a worker's end.

    Raises:
        Ungradable: it did not end within ``seconds``.
        NotAttempted: it raised NotImplementedError.
    """
    code = process.wait(seconds)
    if code is None:
        raise Ungradable(f"the worker did not end within {seconds:.0f} s")
    run = Run(code, process.errors())
    if code and "NotImplementedError" in run.errors:
        raise NotAttempted("it still raises NotImplementedError")
    return run
