"""Postgres's protocol, as far as the proxy needs it: which statement runs, and in a transaction?

A message is its type, its length and its content, but for the first of a connection, which has no
type (PostgreSQL documentation, "Message Formats"). A client may ask for encryption before that; one
byte answers. Statements run at a ``Query``, or are prepared by ``Parse`` and ``Bind`` and asked for
by ``Execute``; what these did lasts from the next ``Sync`` on ("Extended Query"). The reply to
``Query`` and to ``Sync`` ends with ``ReadyForQuery``, which says whether a transaction is open. A
``COPY ... FROM STDIN`` is answered by ``CopyInResponse``; its rows last from ``CopyDone`` on, if no
transaction is open ("COPY Operations").
"""

import asyncio
import struct

from streamgym.faults.wire import Address, Request, exactly

WRITES = {"INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "CREATE", "DROP", "ALTER", "WITH"}
"""Statements that change the database at once when no transaction is open."""

BEGINS = {"BEGIN", "START"}

ENCRYPTION = {struct.pack(">i", code) for code in (80877103, 80877104)}
"""The contents of ``SSLRequest`` and ``GSSENCRequest``."""

IDLE = b"I"
"""The status of a connection without an open transaction."""


class PostgresWire:
    """One connection to a database."""

    def __init__(self, _server: Address, _proxy: Address) -> None:
        self._begun = False
        self._asked_for_encryption = False
        self._status = IDLE
        self._prepared: dict[bytes, str] = {}
        self._bound = ""
        self._executed: list[str] = []
        self._running = 0

    async def request(self, reader: asyncio.StreamReader) -> Request:
        """Read one message; the one that makes a statement run says which."""
        if self._begun:
            data = await _message(reader)
            return self._statement(data) or Request(data)
        head = await reader.readexactly(4)
        content = await _rest(reader, head)
        self._asked_for_encryption = content in ENCRYPTION
        self._begun = not self._asked_for_encryption
        return Request(head + content)

    async def reply(self, reader: asyncio.StreamReader) -> tuple[bytes, int]:
        """Read one message, or the one byte that answers a wish for encryption."""
        kind = await reader.readexactly(1)
        if self._asked_for_encryption:
            self._asked_for_encryption = False
            return kind, 0
        head = await reader.readexactly(4)
        data = kind + head + await _rest(reader, head)
        if kind == b"G":
            ended = min(1, self._running)
            self._running -= ended
            return data, ended
        if kind != b"Z":
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
            return self._runs(data, [_verb(part) for part in data[5:-1].split(b";")])
        elif kind == b"c":
            self._running += 1
            return Request(data, "CopyDone", durable=self._status == IDLE)
        elif kind == b"E":
            self._executed.append(self._bound)
        elif kind == b"S":
            executed, self._executed = self._executed, []
            return self._runs(data, executed)
        return None

    def _runs(self, data: bytes, verbs: list[str]) -> Request | None:
        """Return a request of statements that run together; None when there are none."""
        known = [verb for verb in verbs if verb]
        if not known:
            return None
        self._running += 1
        lasting = _lasting(known, idle=self._status == IDLE)
        return Request(data, lasting or known[-1], durable=bool(lasting))


def _lasting(verbs: list[str], *, idle: bool) -> str:
    """Return the first of these statements after which others see a change; empty if none."""
    for verb in verbs:
        if verb == "COMMIT" or (idle and verb in WRITES):
            return verb
        idle = idle and verb not in BEGINS
    return ""


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
    return await exactly(reader, size - 4)
