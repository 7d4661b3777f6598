"""What the systems have in common: a process under a keeper, in a home of its own."""

import re
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from streamgym.errors import StreamgymError
from streamgym.stack import aot
from streamgym.stack.kept import Kept
from streamgym.stack.removal import remove

TELLING = re.compile(r"\w(Exception|Error): |^Error |\bFATAL: ")
"""What a log's line looks like that says why a JVM, or Postgres, ended."""


class NotReady(Exception):
    """The server has not answered yet."""


class Server(ABC):
    """A server as a context manager: ready when entered, gone when left.

    Args:
        home: its folder; when None a temporary one, which is removed at the end.
        port: where it listens; any free port when 0.

    Set ``training`` to a path, and its JVM writes an ahead-of-time cache there when it ends.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    seconds_to_start = 90.0
    grace = 5.0

    def __init__(self, home: Path | None = None, port: int = 0) -> None:
        self._temporary = home is None
        self.home = home or Path(tempfile.mkdtemp(prefix=f"streamgym-{self.name}-"))
        self.port = port
        self.training: Path | None = None
        self._kept: Kept | None = None

    @property
    @abstractmethod
    def address(self) -> str:
        """Where clients find it."""

    @abstractmethod
    def _launch(self, cleanup: list[Path]) -> Kept:
        """Start the process."""

    @abstractmethod
    def _ask(self) -> None:
        """Be a client once; raise NotReady when there was no answer."""

    def _aot_options(self, cache: Path) -> list[str]:
        """Return the options to use the JVM's cache, or to write one when this is a training."""
        return aot.writing(self.training) if self.training else aot.using(cache)

    def _seconds_to_end(self) -> float:
        """Return how long it may take to end in order; a JVM that writes a cache takes longer."""
        return 180.0 if self.training else self.grace

    @property
    def started(self) -> bool:
        """Whether its process was started."""
        return self._kept is not None

    @property
    def kept(self) -> Kept:
        """The process under its keeper.

        Raises:
            StreamgymError: it was not started.
        """
        if self._kept is None:
            raise StreamgymError(f"{self.name} is not running: start it first")
        return self._kept

    @property
    def log(self) -> Path:
        """The file that it writes its log to."""
        return self.home / f"{self.name}.log"

    def start(self) -> Self:
        """Start it, and return when a client was answered.

        Raises:
            StreamgymError: it ended, or did not answer in time.
        """
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            self._kept = self._launch([self.home] if self._temporary else [])
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End it; nothing of it runs when this returns."""
        if self._kept:
            self._kept.stop()
            self._kept = None
        if self._temporary:
            remove(self.home)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _wait_until_ready(self) -> None:
        attempts = Retrying(
            retry=retry_if_exception_type(NotReady),
            stop=stop_after_delay(self.seconds_to_start),
            wait=wait_fixed(0.02),
        )
        try:
            attempts(self._ask_if_alive)
        except RetryError:
            raise StreamgymError(
                f"{self.name} did not answer within {self.seconds_to_start:.0f} s "
                f"({self._last_words()}): run `streamgym doctor`"
            ) from None

    def _ask_if_alive(self) -> None:
        if not self.kept.alive():
            raise StreamgymError(f"{self.name} ended while it started: {self._last_words()}")
        self._ask()

    def _last_words(self) -> str:
        said = self.kept.last_words() or _read(self.log)
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        telling = [line for line in lines if TELLING.search(line)] or lines
        kept = "" if self._temporary else f", see {self.log}"
        return (telling[0][:300] if telling else "it wrote no log") + kept


def _read(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
