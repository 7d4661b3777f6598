"""HTTP/1.1, as far as the proxy needs it: requests and replies with a ``Content-Length``."""

import asyncio
import re

from streamgym.faults.wire import Address, Request, exactly

LENGTH = re.compile(rb"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)
SAFE = {"GET", "HEAD", "OPTIONS", "TRACE"}
"""Methods that change nothing (RFC 9110, 9.2.1)."""


class HttpWire:
    """One connection to a web service."""

    def __init__(self, _server: Address, _proxy: Address) -> None:
        pass

    async def request(self, reader: asyncio.StreamReader) -> Request:
        """Read one request."""
        data = await _message(reader)
        method = data.split(b" ", 1)[0].decode(errors="replace")
        return Request(data, method, durable=method not in SAFE)

    async def reply(self, reader: asyncio.StreamReader) -> tuple[bytes, int]:
        """Read one reply."""
        return await _message(reader), 1


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = LENGTH.search(head)
    return head + await exactly(reader, int(length[1]) if length else 0)
