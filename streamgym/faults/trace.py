"""What passed the proxy: one event a request, in the order in which they came."""

import time
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from streamgym.faults.wire import Request


class Fate(StrEnum):
    """What became of a request."""

    UNDELIVERED = "never arrived"
    DELIVERED = "arrived"
    ANSWERED = "answered"
    UNANSWERED = "arrived, but its answer was withheld"


@dataclass
class Event:
    """One request.

    Attributes:
        seconds: when it came, from the begin of the trace.
        lane: whose it was.
        number: the how manieth of its kind in its lane, from 1.
        request: what was asked for.
        fate: what became of it.
        answered: when its answer had come, from the begin of the trace; 0.0 if it did not.
    """

    seconds: float
    lane: str
    number: int
    request: Request
    fate: Fate = Fate.UNDELIVERED
    answered: float = 0.0

    @property
    def kind(self) -> str:
        """What was asked for, such as ``Produce`` or ``COMMIT``."""
        return self.request.kind

    @property
    def durable(self) -> bool:
        """Whether it changes what others can see."""
        return self.request.durable


@dataclass
class Trace:
    """The requests of a run, and the moments at which a worker was killed or started."""

    events: list[Event] = field(default_factory=list)
    marks: list[tuple[float, str, str]] = field(default_factory=list)
    groups: set[str] = field(default_factory=set)
    _began: float = field(default_factory=time.monotonic)
    _seen: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, lane: str, request: Request) -> Event:
        """Note a request."""
        self._seen[lane, request.kind] += 1
        number = self._seen[lane, request.kind]
        event = Event(self.now(), lane, number, request)
        self.events.append(event)
        if request.group:
            self.groups.add(request.group)
        return event

    def mark(self, lane: str, what: str) -> None:
        """Note what happened to a lane's worker, such as *killed*: seconds, lane and what."""
        self.marks.append((self.now(), lane, what))

    def now(self) -> float:
        """Return the seconds since the trace began."""
        return time.monotonic() - self._began

    def durable(self, lane: str = "") -> list[Event]:
        """Return the events that changed what others can see, of one lane or of all."""
        return [e for e in self.events if e.durable and lane in ("", e.lane)]

    def lines(self, *, durable: bool = True) -> list[str]:
        """Return the trace as text, a line an event."""
        return [
            f"{e.seconds:7.3f} s  {e.lane}  {e.kind} {e.number}: {e.fate}"
            for e in self.events
            if e.durable or not durable
        ]
