"""Kafka's protocol, as far as the proxy needs it: the header of each request.

A request begins with its size, api key, version, correlation id and client id, in every version of
every request that Kafka 4 knows (Kafka's protocol guide, "Request and Response Headers"). Replies
come in the order of the requests of a connection.
"""

import asyncio
import struct
from collections import deque

from streamgym.faults.wire import Address, Request, exactly

NAMES = {
    0: "Produce",
    1: "Fetch",
    2: "ListOffsets",
    3: "Metadata",
    8: "OffsetCommit",
    9: "OffsetFetch",
    10: "FindCoordinator",
    11: "JoinGroup",
    12: "Heartbeat",
    13: "LeaveGroup",
    14: "SyncGroup",
    18: "ApiVersions",
    22: "InitProducerId",
    24: "AddPartitionsToTxn",
    25: "AddOffsetsToTxn",
    26: "EndTxn",
    28: "TxnOffsetCommit",
    60: "DescribeCluster",
    68: "ConsumerGroupHeartbeat",
}
"""Requests by api key, as Kafka's protocol guide names them; others are called by their number."""

DURABLE = {
    "Produce",
    "OffsetCommit",
    "InitProducerId",
    "AddPartitionsToTxn",
    "AddOffsetsToTxn",
    "EndTxn",
    "TxnOffsetCommit",
}
"""Requests that change a log, a group's offsets or a transaction."""

NAMES_ADDRESSES = {"Metadata", "FindCoordinator", "DescribeCluster"}
"""Requests whose replies say where brokers are."""

PRODUCE_FLEXIBLE, JOIN_GROUP_FLEXIBLE, END_TXN_FLEXIBLE = 9, 6, 3
"""From these versions on (``ProduceRequest.json`` and so on) a request has tagged fields in its
header and at its end, and compact strings."""

PRODUCE_TRANSACTIONAL = 3
"""From this version on a produce request begins with a transactional id."""


class KafkaWire:
    """One connection to a broker."""

    def __init__(self, server: Address, proxy: Address) -> None:
        self._server, self._proxy = _encoded(server), _encoded(proxy)
        self._asked: deque[str] = deque()

    async def request(self, reader: asyncio.StreamReader) -> Request:
        """Read one request."""
        data = await _frame(reader)
        fields = _Fields(data, at=4)
        key, version, _correlation = fields.int16(), fields.int16(), fields.int32()
        client = fields.text()
        kind = NAMES.get(key, f"request {key}")
        acks = _acks(fields, version) if kind == "Produce" else None
        answered = acks != 0
        group = _group(fields, version) if kind == "JoinGroup" else ""
        commits = _commits(data, version) if kind == "EndTxn" else None
        if answered:
            self._asked.append(kind)
        return Request(data, kind, kind in DURABLE, answered, client, group, acks, commits)

    async def reply(self, reader: asyncio.StreamReader) -> tuple[bytes, int]:
        """Read one reply; addresses in it become the proxy's, which is as long."""
        data = await _frame(reader)
        kind = self._asked.popleft() if self._asked else ""
        return data.replace(self._server, self._proxy) if kind in NAMES_ADDRESSES else data, 1


class _Fields:
    """Reads the fields of a request, one after the other."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    def int16(self) -> int:
        return self._number(">h")

    def int32(self) -> int:
        return self._number(">i")

    def text(self, *, compact: bool = False) -> str:
        """Return a text; what is null is empty."""
        length = self.unsigned() - 1 if compact else self.int16()
        self._at += max(0, length)
        return self._data[self._at - max(0, length) : self._at].decode(errors="replace")

    def unsigned(self) -> int:
        """Return a number of as many bytes as it needs, seven bits in each."""
        value = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def skip_tagged(self) -> None:
        """Pass tagged fields."""
        for _ in range(self.unsigned()):
            self.unsigned()
            self._at += self.unsigned()

    def _number(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return int(value)


def _acks(fields: _Fields, version: int) -> int:
    """Return how many acknowledgements a produce request wants; with none there is no reply."""
    flexible = version >= PRODUCE_FLEXIBLE
    if flexible:
        fields.skip_tagged()
    if version >= PRODUCE_TRANSACTIONAL:
        fields.text(compact=flexible)
    return fields.int16()


def _group(fields: _Fields, version: int) -> str:
    flexible = version >= JOIN_GROUP_FLEXIBLE
    if flexible:
        fields.skip_tagged()
    return fields.text(compact=flexible)


def _commits(data: bytes, version: int) -> bool:
    """Return whether a transaction is committed: the last field, before tagged ones if any."""
    return data[-2 if version >= END_TXN_FLEXIBLE else -1] == 1


async def _frame(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(4)
    (size,) = struct.unpack(">i", head)
    return head + await exactly(reader, size)


def _encoded(address: Address) -> bytes:
    """Return host and port as a reply holds them, one after the other."""
    host, port = address
    return host.encode() + struct.pack(">i", port)
