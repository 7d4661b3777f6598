"""What the proxy can do at a request, instead of passing it on."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import psutil

from streamgym.faults.trace import Event


class Passage(Protocol):
    """One request on its way through the proxy; see :class:`streamgym.faults.proxy.Link`."""

    async def forward(self) -> None:
        """Pass it on, and let its answer through."""

    async def forward_unanswered(self) -> None:
        """Pass it on, wait until the server has answered or hung up, and keep the answer back."""

    def cut(self) -> None:
        """Close this connection, on both sides."""

    def ports(self) -> tuple[int, int]:
        """Return the ports of this connection: at the client's end, and at the proxy's."""

    def halt_lane(self) -> None:
        """Pass no further request of this client on."""

    def end_lane(self) -> None:
        """Close this client's connections."""

    async def other_durable(self, kind: str) -> None:
        """Wait until the client's next durable request of another kind is answered."""

    def refuse(self, connections: int) -> None:
        """Close so many of this client's next connections at once."""


class Action(Protocol):
    """Something done at a request."""

    async def __call__(self, passage: Passage) -> None:
        """Do it."""


@dataclass(frozen=True)
class KillBefore:
    """Kill the client with ``kill``; the request never arrives."""

    kill: Callable[[], None]

    async def __call__(self, passage: Passage) -> None:
        """Do it."""
        passage.halt_lane()
        await asyncio.to_thread(self.kill)
        passage.end_lane()


@dataclass(frozen=True)
class KillAfter:
    """Kill the client with ``kill`` when the server has handled the request."""

    kill: Callable[[], None]

    async def __call__(self, passage: Passage) -> None:
        """Do it."""
        await passage.forward_unanswered()
        await KillBefore(self.kill)(passage)


@dataclass(frozen=True)
class KillMeanwhile:
    """Keep the request on its way; kill the client once it has gone on without its answer.

    A client that waits for the answer, as it should, is killed after ``seconds``.
    """

    kill: Callable[[], None]
    kind: str
    seconds: float = 1.0

    async def __call__(self, passage: Passage) -> None:
        """Do it."""
        with suppress(TimeoutError):
            await asyncio.wait_for(passage.other_durable(self.kind), self.seconds)
        await KillBefore(self.kill)(passage)


@dataclass(frozen=True)
class KillClient:
    """Kill the process that sent the request, whoever started it.

    ``after`` tells whether the server handles the request first.
    """

    after: bool

    async def __call__(self, passage: Passage) -> None:
        """Do it."""
        if self.after:
            await passage.forward_unanswered()
        await asyncio.to_thread(_kill_owner, *passage.ports())
        passage.cut()


@dataclass(frozen=True)
class Cut:
    """Deliver the request, and cut the connection instead of delivering its answer."""

    async def __call__(self, passage: Passage) -> None:
        """Do it."""
        await passage.forward_unanswered()
        passage.cut()


@dataclass(frozen=True)
class Delay:
    """Deliver the request ``seconds`` later."""

    seconds: float

    async def __call__(self, passage: Passage) -> None:
        """Do it."""
        await asyncio.sleep(self.seconds)
        await passage.forward()


@dataclass(frozen=True)
class Refuse:
    """Cut the connection before the request, and refuse the client's next ``connections``."""

    connections: int

    async def __call__(self, passage: Passage) -> None:
        """Do it."""
        passage.refuse(self.connections)
        passage.cut()


@dataclass(frozen=True)
class Hold:
    """Hold the request, and read nothing more from its connection, until :meth:`release`."""

    reached: threading.Event = field(default_factory=threading.Event)
    _released: "Future[None]" = field(default_factory=Future)

    def release(self) -> None:
        """Let the request go on."""
        self._released.set_result(None)

    async def __call__(self, passage: Passage) -> None:
        """Do it."""
        self.reached.set()
        await asyncio.wrap_future(self._released)
        await passage.forward()


@dataclass
class Rule:
    """An action for the requests that match: once, or ``times`` times.

    Attributes:
        kind: what kind of request.
        action: what to do.
        number: the how manieth of its kind; any when 0.
        lane: whose request; anybody's when empty.
        times: how often it acts.
        done: set when it has acted so often.
    """

    kind: str
    action: Action
    number: int = 0
    lane: str = ""
    times: int = 1
    done: threading.Event = field(default_factory=threading.Event)

    def takes(self, event: Event) -> bool:
        """Return whether it acts on this request; that counts as one time."""
        matches = (
            self.times > 0
            and event.kind == self.kind
            and self.number in (0, event.number)
            and self.lane in ("", event.lane)
        )
        self.times -= matches
        return matches

    async def act(self, passage: Passage) -> None:
        """Act on a request that it takes."""
        try:
            await self.action(passage)
        finally:
            if not self.times:
                self.done.set()


def _kill_owner(own: int, other: int) -> None:
    """Kill the process at whose end a connection has the one port, and at the far end the other.

    Both are needed: connections to different servers may have the same port at their own ends.
    """
    for connection in psutil.net_connections("tcp"):
        ends = connection.laddr[1:], connection.raddr[1:]
        if ends == ((own,), (other,)) and connection.pid:
            psutil.Process(connection.pid).kill()
