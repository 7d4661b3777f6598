"""The fault proxy: it relays between clients and real servers, sees each request, and may act.

A client gets the proxy's address instead of the server's. Each client has a *lane* of its own, so
that requests can be told apart by who sent them. Only loopback is served.
"""

import asyncio
import contextlib
import re
import threading
from collections import deque
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from streamgym.errors import StreamgymError
from streamgym.faults.actions import Rule
from streamgym.faults.http import HttpWire
from streamgym.faults.kafka import KafkaWire
from streamgym.faults.postgres import PostgresWire
from streamgym.faults.trace import Event, Fate, Trace
from streamgym.faults.wire import Address, Request, Wire

LOOPBACK = "127.0.0.1"
HOSTS = r"(127\.0\.0\.1|localhost)"
LIMIT = 2**20
"""Bytes that are read ahead on a connection."""

WIRES: dict[str, type[Wire]] = {"": KafkaWire, "postgresql": PostgresWire, "http": HttpWire}
"""Protocols by the scheme of an address; bootstrap servers have none."""

GONE = (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError)
"""What reading from a connection raises when it has ended, or holds nonsense."""


class Proxy:
    """A proxy for one run, as a context manager.

    Args:
        rules: what to do where.
        port: where it listens, for one address; any free ports when 0.

    Attributes:
        trace: what has passed.
        rules: what to do where; the first that matches a request acts.
    """

    def __init__(self, rules: Iterable[Rule] = (), port: int = 0) -> None:
        self.trace = Trace()
        self.rules = list(rules)
        self._port = port
        self._lanes: dict[str, Lane] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def address(self, address: str, lane: str = "worker") -> str:
        """Return where a client of this lane finds the server at ``address`` through the proxy.

        Args:
            address: bootstrap servers (one), a ``postgresql://`` or an ``http://`` URL.
            lane: who will use it.

        Raises:
            StreamgymError: it is not an address of one system on this machine.
        """
        scheme, server = _parsed(address)
        port = self._run(self._listen(WIRES[scheme], server, lane))
        return re.sub(rf"{HOSTS}:{server[1]}", f"{LOOPBACK}:{port}", address)

    def environment(self, env: dict[str, str], lane: str = "worker") -> dict[str, str]:
        """Return an environment in which every address of a known kind leads through the proxy."""
        return {
            name: self.address(value, lane) if _is_address(name, value) else value
            for name, value in env.items()
        }

    def reopen(self, lane: str = "worker") -> None:
        """Let a lane's client through again, after it was killed."""
        self._lanes[lane].ended = False

    def close(self) -> None:
        """End all relaying."""
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def rule_for(self, event: Event) -> Rule | None:
        """Return the rule that acts on a request, if one does."""
        return next((rule for rule in self.rules if rule.takes(event)), None)

    async def _listen(self, wire: type[Wire], server: Address, name: str) -> int:
        lane = self._lanes.setdefault(name, Lane(name))

        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if lane.refuses():
                writer.transport.abort()
                return
            with contextlib.suppress(*GONE, asyncio.CancelledError):
                await Link(self, lane, wire, server, (reader, writer)).relay()

        listener = await asyncio.start_server(accepted, LOOPBACK, self._port, limit=LIMIT)
        lane.listeners.append(listener)
        return int(listener.sockets[0].getsockname()[1])

    async def _close(self) -> None:
        for lane in self._lanes.values():
            lane.end()
            for listener in lane.listeners:
                listener.close()
        tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


@dataclass
class Lane:
    """One client: its listeners and its connections."""

    name: str
    listeners: list[asyncio.Server] = field(default_factory=list)
    links: "set[Link]" = field(default_factory=set)
    ended: bool = False
    to_refuse: int = 0
    watchers: list[tuple[str, asyncio.Event]] = field(default_factory=list)

    def refuses(self) -> bool:
        """Return whether a new connection is to be refused."""
        refused = self.to_refuse > 0
        self.to_refuse -= refused
        return refused or self.ended

    def end(self) -> None:
        """Let nothing more through, and close all connections."""
        self.ended = True
        for link in list(self.links):
            link.abort()

    def answered(self, event: Event) -> None:
        """Tell those who wait for an answer to a request of another kind than theirs."""
        for kind, seen in self.watchers:
            if event.durable and event.kind != kind:
                seen.set()


@dataclass
class Awaited:
    """A request whose answer has not come yet; ``keep`` the answer back, and tell when it came."""

    event: Event
    keep: bool
    came: asyncio.Event = field(default_factory=asyncio.Event)


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Link:
    """One client's connection, and the one to the server that belongs to it."""

    def __init__(
        self, proxy: Proxy, lane: Lane, wire: type[Wire], server: Address, client: Streams
    ) -> None:
        self._proxy, self.lane = proxy, lane
        self._wire = wire(server, client[1].get_extra_info("sockname"))
        self._address = server
        self._client = client
        self._server: Streams | None = None
        self._awaited: deque[Awaited] = deque()
        self._acting = asyncio.Lock()
        self._server_gone = asyncio.Event()
        self._aborted = False

    async def relay(self) -> None:
        """Relay until either side ends the connection."""
        self.lane.links.add(self)
        pumps: list[asyncio.Task[None]] = []
        try:
            self._server = await asyncio.open_connection(*self._address, limit=LIMIT)
            work = (self._requests(self._client[0]), self._replies(self._server[0]))
            pumps += [asyncio.create_task(pump) for pump in work]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self.abort()
            self.lane.links.discard(self)

    @property
    def ports(self) -> tuple[int, int]:
        """The ports of the client's connection: at the client's end, and at this one."""
        ends = (self._client[1].get_extra_info(name) for name in ("peername", "sockname"))
        client, proxy = (int(end[1]) for end in ends)
        return client, proxy

    def abort(self) -> None:
        """Close both sides at once; nothing that was read is passed on any more."""
        self._aborted = True
        for _, writer in filter(None, (self._client, self._server)):
            writer.transport.abort()

    async def forward(self, request: Request, event: Event | None, *, keep: bool = False) -> None:
        """Pass a request on; ``keep`` its answer back."""
        assert self._server
        if event:
            event.fate = Fate.DELIVERED
            if request.answered:
                self._awaited.append(Awaited(event, keep))
        await _write(self._server[1], request.data)

    async def handled(self) -> None:
        """Wait until the server has answered what was passed on last, or has hung up.

        A server that owes no answer reads all that came, and hangs up at its end.
        """
        assert self._server
        if self._awaited:
            await self._awaited[-1].came.wait()
        else:
            self._server[1].write_eof()
            await self._server_gone.wait()

    async def _requests(self, client: asyncio.StreamReader) -> None:
        with contextlib.suppress(*GONE):
            while True:
                request = await self._wire.request(client)
                if self._aborted or self.lane.ended:
                    return
                async with self._acting:
                    await self._pass(request)

    async def _pass(self, request: Request) -> None:
        event = self._proxy.trace.add(self.lane.name, request) if request.kind else None
        rule = self._proxy.rule_for(event) if event else None
        if event and rule:
            await rule.act(_Passage(self, request, event))
        else:
            await self.forward(request, event)

    async def _replies(self, server: asyncio.StreamReader) -> None:
        with contextlib.suppress(*GONE):
            while True:
                data, ended = await self._wire.reply(server)
                if not (self._awaited and self._awaited[0].keep):
                    await _write(self._client[1], data)
                for _ in range(min(ended, len(self._awaited))):
                    self._answered(self._awaited.popleft())
        self._server_gone.set()
        for awaited in self._awaited:
            awaited.came.set()
        async with self._acting:  # an action that waits for this comes to its end first
            pass

    def _answered(self, awaited: Awaited) -> None:
        awaited.event.fate = Fate.UNANSWERED if awaited.keep else Fate.ANSWERED
        awaited.event.answered = self._proxy.trace.now()
        awaited.came.set()
        self.lane.answered(awaited.event)


@dataclass(frozen=True)
class _Passage:
    """One request on a link; see :class:`streamgym.faults.actions.Passage`."""

    link: Link
    request: Request
    event: Event

    async def forward(self) -> None:
        await self.link.forward(self.request, self.event)

    async def forward_unanswered(self) -> None:
        await self.link.forward(self.request, self.event, keep=True)
        await self.link.handled()

    def cut(self) -> None:
        self.link.abort()

    def ports(self) -> tuple[int, int]:
        return self.link.ports

    def halt_lane(self) -> None:
        self.link.lane.ended = True

    def end_lane(self) -> None:
        self.link.lane.end()

    async def other_durable(self, kind: str) -> None:
        watcher = (kind, asyncio.Event())
        self.link.lane.watchers.append(watcher)
        await watcher[1].wait()

    def refuse(self, connections: int) -> None:
        self.link.lane.to_refuse = connections


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


def _is_address(name: str, value: str) -> bool:
    return name == "KAFKA_BOOTSTRAP_SERVERS" or value.startswith(("postgresql://", "http://"))


def _parsed(address: str) -> tuple[str, Address]:
    scheme = urlsplit(address).scheme if "://" in address else ""
    where = urlsplit(address if scheme else f"//{address}")
    if scheme not in WIRES or not re.fullmatch(HOSTS, where.hostname or "") or not where.port:
        raise StreamgymError(
            f"{address} is not one system on this machine, and nothing else is disturbed: "
            "unset KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL for this exercise"
        )
    return scheme, (LOOPBACK, where.port)
