"""The kinds of answer that a check can be given, and where answers come from.

A check sees an answer only through these interfaces. In a notebook the answer is beside it
(:mod:`streamgym.lab.answers`); when graded it lives in a sandboxed kernel, and only data comes
out of it (:mod:`streamgym.grading.answers`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from streamgym.errors import NotAttempted, Ungradable
from streamgym.faults.process import OpenWorkspace, Run

__all__ = ["NotAttempted", "Raised", "Run", "Ungradable"]


@dataclass(frozen=True)
class Raised:
    """Stands in for a result when the answer raised ``error``, e.g. ``TypeError: ...``."""

    error: str

    def __repr__(self) -> str:
        return self.error


class Function(Protocol):
    """A pure function that the learner wrote."""

    def map(self, calls: Sequence[Sequence[object]]) -> list[Any]:
        """Call it once per item, with these positional arguments; in order, in one go.

        Arguments and results are plain data (:mod:`streamgym.checks.values`). A call that raises,
        or returns what is not plain data, gives a :class:`Raised`.

        Raises:
            NotAttempted: the first call raised NotImplementedError, or there is no such function.
            Ungradable: the calls did not end in time, or the kernel was lost.
        """


class Worker(Protocol):
    """A script that the learner wrote, run as a process of its own."""

    @property
    def script(self) -> str:
        """The script's text."""

    def run(self, env: Mapping[str, str], seconds: float = 60) -> Run:
        """Run it to its end with these environment variables.

        Raises:
            NotAttempted: there is no such worker, or it raised NotImplementedError.
            Ungradable: it did not end within ``seconds``.
        """

    def workspace(self) -> OpenWorkspace:
        """Return a folder in which it can be started, killed, and started again.

        Raises:
            NotAttempted: there is no such worker.
        """


class Plan(Protocol):
    """A Spark query that the learner wrote as a function from DataFrames to a DataFrame."""

    def relation(self, source: bytes | Sequence[bytes]) -> bytes | Raised:
        """Apply it to one source or several, and return the query.

        Sources and query are Spark Connect ``Relation`` messages.

        Raises:
            NotAttempted: it raised NotImplementedError, or there is no such function.
            Ungradable: it did not end in time.
        """


class Query(Protocol):
    """A streaming query that the learner wrote as a function that returns a DataStreamWriter."""

    def writer(self, sources: Sequence[bytes], *arguments: object) -> bytes | Raised:
        """Call it with these sources as DataFrames, and with plain arguments after them.

        Returns what it would start, as a ``WriteStreamOperationStart`` message of Spark Connect;
        see :mod:`streamgym.checks.queries`.

        Raises:
            NotAttempted: it raised NotImplementedError, or there is no such function.
            Ungradable: it did not end in time.
        """


class Choice(Protocol):
    """A value that the learner chose."""

    @property
    def value(self) -> Any:
        """The value, as plain data; what cannot be read is :class:`Raised`.

        Raises:
            NotAttempted: it is still ``...``, or there is none.
        """

    @property
    def student(self) -> str:
        """The name that seeds this learner's variant."""


class Answers(Protocol):
    """Where the answers of one learner come from; each is found by its exercise's name."""

    def function(self, name: str) -> Function:
        """Return the function of this name."""

    def worker(self, name: str) -> Worker:
        """Return the worker of this name."""

    def plan(self, name: str) -> Plan:
        """Return the query of this name."""

    def query(self, name: str) -> Query:
        """Return the streaming query of this name."""

    def choice(self, name: str) -> Choice:
        """Return the value of this name."""
