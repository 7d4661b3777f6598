"""Postgres's protocol, as far as the proxy needs it: which statement runs, and in a transaction?

A message is its type, its length and its content, but for the first of a connection, which has no
type (PostgreSQL documentation, "Message Formats"). A statement runs at a ``Query``, or at an
``Execute`` of what ``Parse`` and ``Bind`` prepared; its reply ends with ``ReadyForQuery``, which
says whether a transaction is open.
"""

import asyncio
import struct

from streamgym.faults.wire import Address, Request

WRITES = {"INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "CREATE", "DROP", "ALTER", "WITH"}
"""Statements that change the database at once when no transaction is open."""

IDLE = b"I"
"""The status of a connection without an open transaction."""


class PostgresWire:
    """One connection to a database."""

    def __init__(self, _server: Address, _proxy: Address) -> None:
        self._begun = False
        self._status = IDLE
        self._prepared: dict[bytes, str] = {}
        self._bound = ""
        self._running = 0

    async def request(self, reader: asyncio.StreamReader) -> Request:
        """Read one message; the one that makes a statement run says which."""
        if not self._begun:
            self._begun = True
            head = await reader.readexactly(4)
            return Request(head + await _rest(reader, head))
        data = await _message(reader)
        return self._statement(data) or Request(data)

    async def reply(self, reader: asyncio.StreamReader) -> tuple[bytes, int]:
        """Read one message."""
        data = await _message(reader)
        if data[:1] != b"Z":
            return data, 0
        self._status = data[5:6]
        ended, self._running = self._running, 0
        return data, ended

    def _statement(self, data: bytes) -> Request | None:
        kind = data[:1]
        if kind == b"P":
            name, text, *_ = data[5:].split(b"\0")
            self._prepared[name] = _verb(text)
        elif kind == b"B":
            self._bound = self._prepared.get(data[5:].split(b"\0")[1], "")
        elif kind == b"Q":
            return self._runs(data, _verb(data[5:]))
        elif kind == b"E":
            return self._runs(data, self._bound)
        return None

    def _runs(self, data: bytes, verb: str) -> Request:
        self._running += 1
        alone = self._status == IDLE and verb in WRITES
        return Request(data, verb, durable=verb == "COMMIT" or alone)


def _verb(text: bytes) -> str:
    """Return a statement's first word; ``END`` is another word for ``COMMIT``."""
    words = text.strip(b" \t\r\n\0;").split(None, 1)
    verb = words[0].decode(errors="replace").upper().rstrip(";") if words else ""
    return "COMMIT" if verb == "END" else verb


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await _rest(reader, head[1:])


async def _rest(reader: asyncio.StreamReader, length: bytes) -> bytes:
    (size,) = struct.unpack(">i", length)
    return await reader.readexactly(size - 4)
