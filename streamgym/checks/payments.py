"""A payment service: a real web service that charges, and remembers what it charged.

``POST /charges`` with ``{"order": ..., "amount": ...}`` charges; a request with an
``Idempotency-Key`` that was seen before gets the first answer again and charges nothing (the IETF
draft "The Idempotency-Key HTTP Header Field", and how Stripe's interface has it).
"""

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

LOOPBACK = "127.0.0.1"
MAX_BYTES = 100_000


class Payments:
    """The service, as a context manager: ``with Payments() as payments: payments.url``.

    Args:
        listens: False makes one that nobody can reach, where nothing may listen.

    Attributes:
        charges: what was charged, in order; an order that is there twice was charged twice.
    """

    def __init__(self, *, listens: bool = True) -> None:
        self.charges: list[dict[str, Any]] = []
        self._answers: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _handler(self), listens)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        if listens:
            self._thread.start()

    @property
    def url(self) -> str:
        """Where to post charges."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}/charges"

    def charge(self, wanted: dict[str, Any], key: str) -> dict[str, Any]:
        """Charge once for each key; without a key, each time."""
        with self._lock:
            if key and key in self._answers:
                return self._answers[key]
            self.charges.append(wanted)
            answer = {"charge": len(self.charges), "order": wanted.get("order")}
            if key:
                self._answers[key] = answer
            return answer

    def close(self) -> None:
        """End the service."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _handler(service: Payments) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            wanted = self._wanted()
            if wanted is None:
                self._reply(400, {"error": "send a JSON object with order and amount"})
            else:
                self._reply(201, service.charge(wanted, self.headers["Idempotency-Key"] or ""))

        def _wanted(self) -> dict[str, Any] | None:
            size = self.headers["Content-Length"] or ""
            if not size.isdecimal() or int(size) > MAX_BYTES:
                return None
            try:
                found = json.loads(self.rfile.read(int(size)))
            except (ValueError, RecursionError):
                return None
            return found if isinstance(found, dict) else None

        def _reply(self, status: int, answer: dict[str, Any]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            with suppress(ConnectionError):  # whoever asked was killed meanwhile
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *values: Any) -> None:
            pass

    return Handler
