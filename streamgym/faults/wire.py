"""What the proxy knows of a protocol: where a request and a reply end, and what a request is.

One object of a ``Wire`` serves one connection. Bytes pass unchanged, but for a reply that names
the server's address, which becomes the proxy's.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

Address = tuple[str, int]
"""Host and port."""

LARGEST = 100 * 2**20
"""Bytes of the largest request that Kafka takes (``socket.request.max.bytes``); no other's is."""


async def exactly(reader: asyncio.StreamReader, size: int) -> bytes:
    """Read so many bytes.

    Raises:
        OSError: nobody who means well sends so many, or fewer than none.
    """
    if not 0 <= size <= LARGEST:
        raise OSError(f"a message of {size} bytes")
    return await reader.readexactly(size)


@dataclass(frozen=True)
class Request:
    """One request as it passes.

    Attributes:
        data: its bytes.
        kind: what is asked for, in the protocol's own words; empty for a part of no interest.
        durable: whether it changes what others can see, so that a crash at it could matter.
        answered: whether a reply will come.
        client: what the client calls itself; empty where the protocol has no such thing.
        group: the consumer group that it joins; else empty.
        acks: how many acknowledgements a produce request wants, -1 for all; else None.
        commits: whether what ends a transaction commits it; None for other requests.
    """

    data: bytes
    kind: str = ""
    durable: bool = False
    answered: bool = True
    client: str = ""
    group: str = ""
    acks: int | None = None
    commits: bool | None = None


class Wire(Protocol):
    """One protocol on one connection.

    Reading raises ``asyncio.IncompleteReadError`` when the connection ends.
    """

    def __init__(self, server: Address, proxy: Address) -> None: ...

    async def request(self, reader: asyncio.StreamReader) -> Request:
        """Read what the client sends next."""

    async def reply(self, reader: asyncio.StreamReader) -> tuple[bytes, int]:
        """Read what the server sends next, and tell how many requests it ends the replies of."""
