"""A service that is down for a while, and clients that call it each in another way.

The service is a real web service on this machine. It answers 503 during its outage, and while it
recovers it bears only so many requests a second.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

import httpx
import matplotlib.pyplot as plt
from tenacity import (
    Retrying,
    retry_if_result,
    stop_after_delay,
    wait_fixed,
    wait_random_exponential,
)

GOOD, BAD = "#2e9e5b", "#d1433f"


@dataclass
class Service:
    """The web service, as a context manager; seconds count from when it was entered.

    Attributes:
        down: from when to when it answers 503.
        calls: the time of each request, and whether it was served.
    """

    down: tuple[float, float] = (1.0, 3.0)
    calls: list[tuple[float, bool]] = field(default_factory=list)

    def __enter__(self) -> "Service":
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.began = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where to send requests."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return time.monotonic() - self.began

    def serve(self) -> bool:
        """Note a request, and return whether it is served."""
        now = self.seconds
        served = not self.down[0] <= now < self.down[1]
        self.calls.append((now, served))
        return served


def _handler(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if service.serve() else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *values: Any) -> None:
            pass

    return Handler


class Open(Exception):
    """The circuit breaker is open: the service was not called."""


@dataclass
class CircuitBreaker:
    """Stops calling after some failures in a row, and tries one call after a while.

    Closed, open and half-open are the states of Nygard, "Release It!", 2007.
    """

    failures: int = 3
    seconds: float = 0.5
    changes: list[tuple[float, str]] = field(default_factory=list)
    _failed: int = 0
    _opened: float = 0.0

    def call(self, ask: Callable[[], bool], now: float) -> bool:
        """Call through the breaker, at this time.

        Raises:
            Open: it is open.
        """
        if self.state == "open":
            if now - self._opened < self.seconds:
                raise Open
            self._change(now, "half-open")
        served = ask()
        self._failed = 0 if served else self._failed + 1
        if served and self.state != "closed":
            self._change(now, "closed")
        elif not served and (self.state == "half-open" or self._failed == self.failures):
            self._opened = now
            self._change(now, "open")
        return served

    @property
    def state(self) -> str:
        """What it is now."""
        return self.changes[-1][1] if self.changes else "closed"

    def _change(self, now: float, state: str) -> None:
        self.changes.append((now, state))


@dataclass(frozen=True)
class Seen:
    """What the service saw of one way of calling it."""

    name: str
    calls: list[tuple[float, bool]]
    breaker: CircuitBreaker | None = None

    @property
    def wasted(self) -> int:
        """Requests that came while it was down."""
        return sum(not served for _, served in self.calls)


def at_once(ask: Callable[[], bool], _: Random) -> None:
    """Retry without a pause."""
    while not ask():
        pass


def backoff(ask: Callable[[], bool], _: Random) -> None:
    """Wait longer after each failure, by a random time (exponential backoff with full jitter)."""
    waiting = wait_random_exponential(multiplier=0.05, max=1)
    Retrying(retry=retry_if_result(lambda ok: not ok), wait=waiting, stop=stop_after_delay(10))(ask)


def every_tenth(ask: Callable[[], bool], _: Random) -> None:
    """Wait a tenth of a second after each failure."""
    Retrying(retry=retry_if_result(lambda ok: not ok), wait=wait_fixed(0.1))(ask)


WAYS: dict[str, Callable[[Callable[[], bool], Random], None]] = {
    "at once": at_once,
    "every tenth of a second": every_tenth,
    "backoff with jitter": backoff,
}
"""Ways to retry, by name."""


def retried(name: str, *, clients: int = 4, seconds: float = 4.0) -> Seen:
    """Let some clients call a service that is down for two seconds, and retry in this way."""
    with Service() as service:
        threads = [
            threading.Thread(target=_client, args=(service, WAYS[name], Random(n), seconds))
            for n in range(clients)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return Seen(name, service.calls)


def broken_off(*, seconds: float = 4.0) -> Seen:
    """Let one client call it through a circuit breaker, twenty times a second."""
    breaker = CircuitBreaker()
    with Service() as service, httpx.Client() as http:
        while service.seconds < seconds:
            with suppress(Open):
                breaker.call(lambda: http.get(service.url).is_success, service.seconds)
            time.sleep(0.05)
        return Seen("circuit breaker", service.calls, breaker)


def _client(
    service: Service,
    retry: Callable[[Callable[[], bool], Random], None],
    rng: Random,
    seconds: float,
) -> None:
    with httpx.Client() as http:
        while service.seconds < seconds:
            retry(lambda: http.get(service.url).is_success, rng)
            time.sleep(0.1 + 0.1 * rng.random())


def draw(*seen: Seen) -> None:
    """Draw the requests over time, a row for each way; those in vain are red."""
    _figure, axes = plt.subplots(figsize=(9, 0.9 * len(seen) + 0.8), layout="constrained")
    axes.axvspan(*Service().down, color="#eeeeee", label="down")
    for row, one in enumerate(seen):
        for served, colour in ((True, GOOD), (False, BAD)):
            times = [time for time, ok in one.calls if ok is served]
            axes.plot(times, [row] * len(times), "|", markersize=18, color=colour)
        for when, state in _changes(one):
            axes.annotate(state, (when, row + 0.3), fontsize=8, rotation=30)
    axes.set_yticks(range(len(seen)), [f"{one.name}\n{one.wasted} in vain" for one in seen])
    axes.set(xlabel="seconds", ylim=(-0.6, len(seen) - 0.2))
    plt.show()


def _changes(seen: Seen) -> Iterator[tuple[float, str]]:
    if seen.breaker:
        yield from seen.breaker.changes
