"""Answers that live elsewhere and are reached by sending plain-data requests.

In a notebook ``send`` is a plain call; in grading it is a round trip to the sandboxed kernel.
The other end is :mod:`streamgym.lab.serve`.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamgym.checks import values
from streamgym.checks.answers import NotAttempted, Raised, Run
from streamgym.checks.expect import show
from streamgym.faults.process import OpenWorkspace, finish

Send = Callable[[str], str]
"""Takes a request and returns its reply, both as text of :mod:`streamgym.checks.values`."""

OpenScript = Callable[[str], OpenWorkspace]
"""Gives a worker's text a workspace."""


@dataclass(frozen=True)
class Served:
    """The answers behind ``send``; workers are ``scripts`` by name, which ``open_script`` opens.

    ``whose`` turns the name that a notebook gives as its student's into the one that counts.
    Asking for a query or a worker that is not there raises NotAttempted, before a check makes what
    it is tried on.
    """

    send: Send
    scripts: Mapping[str, str]
    open_script: OpenScript
    whose: Callable[[str], str] = str

    def function(self, name: str) -> "ServedFunction":
        """Return the function of this name."""
        return ServedFunction(name, self.send)

    def plan(self, name: str) -> "ServedPlan":
        """Return the query of this name."""
        self._require(name)
        return ServedPlan(name, self.send)

    def query(self, name: str) -> "ServedQuery":
        """Return the streaming query of this name."""
        self._require(name)
        return ServedQuery(name, self.send)

    def choice(self, name: str) -> "ServedChoice":
        """Return the value of this name."""
        return ServedChoice(name, self.send, self.whose)

    def worker(self, name: str) -> "ServedWorker":
        """Return the worker of this name."""
        script = self.scripts.get(name, "")
        if not script.strip():
            raise NotAttempted(f"there is no cell that starts with %%worker {name}")
        return ServedWorker(name, script, self.open_script)

    def _require(self, name: str) -> None:
        _ask(self.send, kind="defined", name=name)


@dataclass(frozen=True)
class ServedFunction:
    """A function called by request."""

    name: str
    send: Send

    def map(self, calls: Sequence[Sequence[object]]) -> list[Any]:
        """Call it once per item; see :class:`streamgym.checks.answers.Function`."""
        reply = _ask(self.send, kind="function", name=self.name, calls=calls)
        outcomes = reply.get("outcomes")
        given = outcomes if isinstance(outcomes, list) else []
        lacking = [None] * (len(calls) - len(given))
        return [_value(outcome) for outcome in [*given, *lacking][: len(calls)]]


@dataclass(frozen=True)
class ServedPlan:
    """A query asked for by request."""

    name: str
    send: Send

    def relation(self, source: bytes | Sequence[bytes]) -> bytes | Raised:
        """Apply it to sources; see :class:`streamgym.checks.answers.Plan`."""
        sources = [source] if isinstance(source, bytes) else source
        reply = _ask(self.send, kind="plan", name=self.name, sources=_texts(sources))
        return _message(reply)


@dataclass(frozen=True)
class ServedQuery:
    """A streaming query asked for by request."""

    name: str
    send: Send

    def writer(self, sources: Sequence[bytes], *arguments: object) -> bytes | Raised:
        """Call it; see :class:`streamgym.checks.answers.Query`."""
        given = {"sources": _texts(sources), "arguments": arguments}
        return _message(_ask(self.send, kind="query", name=self.name, **given))


@dataclass(frozen=True)
class ServedChoice:
    """A value asked for by request."""

    name: str
    send: Send
    whose: Callable[[str], str] = str

    @property
    def value(self) -> Any:
        """The value; see :class:`streamgym.checks.answers.Choice`."""
        return _value(_ask(self.send, kind="choice", name=self.name).get("outcome"))

    @property
    def student(self) -> str:
        """The name that seeds this learner's variant."""
        return self.whose(str(_ask(self.send, kind="student", name=self.name).get("student")))


@dataclass(frozen=True)
class ServedWorker:
    """A script and the means to run it."""

    name: str
    script: str
    open_script: OpenScript

    def run(self, env: Mapping[str, str], seconds: float = 60) -> Run:
        """Run it to its end; see :class:`streamgym.checks.answers.Worker`."""
        with self.workspace() as here:
            return finish(here.start(env), seconds)

    def workspace(self) -> OpenWorkspace:
        """Return a folder to start it in; see :class:`streamgym.checks.answers.Worker`."""
        return self.open_script(self.script)


def _texts(messages: Sequence[bytes]) -> list[str]:
    return [base64.b64encode(message).decode() for message in messages]


def _message(reply: dict[str, Any]) -> bytes | Raised:
    outcome = _value(reply.get("outcome"))
    return base64.b64decode(outcome) if isinstance(outcome, str) else Raised(str(outcome))


def _ask(send: Send, **request: object) -> dict[str, Any]:
    text = send(values.encode(request, limit=20_000_000))
    try:
        reply = values.decode(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(reply, dict):
        return {}
    if "missing" in reply:
        raise NotAttempted(show(reply["missing"]))
    return reply


def _value(outcome: Any) -> Any:
    if isinstance(outcome, dict) and "value" in outcome:
        return outcome["value"]
    error = outcome.get("raised", "no result") if isinstance(outcome, dict) else "no result"
    return Raised(str(error))
