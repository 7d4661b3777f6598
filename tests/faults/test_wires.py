"""Where requests and replies end, and what they are, without a server."""

import asyncio
import struct

import pytest
from kafka.protocol.consumer import JoinGroupRequest
from kafka.protocol.producer import EndTxnRequest, ProduceRequest

from streamgym.faults.http import HttpWire
from streamgym.faults.kafka import KafkaWire
from streamgym.faults.postgres import PostgresWire
from streamgym.faults.wire import Wire

SERVER, PROXY = ("127.0.0.1", 9092), ("127.0.0.1", 50_000)


def reader(*data: bytes) -> asyncio.StreamReader:
    made = asyncio.StreamReader()
    for piece in data:
        made.feed_data(piece)
    made.feed_eof()
    return made


def requests(wire: Wire, *data: bytes, number: int = 1):
    async def read():
        source = reader(*data)
        return [await wire.request(source) for _ in range(number)]

    return asyncio.run(read())


def reply(wire: Wire, data: bytes):
    async def read():
        return await wire.reply(reader(data))

    return asyncio.run(read())


def kafka_wire():
    return KafkaWire(SERVER, PROXY)


# Kafka


def encoded(request, client="ekart"):
    request.with_header(correlation_id=7, client_id=client)
    return request.encode(header=True, framed=True)


@pytest.mark.parametrize("acks", [-1, 0, 1])
@pytest.mark.parametrize("version", range(ProduceRequest.max_version + 1))
def test_a_produce_request_of_every_version(version, acks):
    data = encoded(ProduceRequest[version](acks=acks, timeout_ms=1000, topic_data=[]))
    (found,) = requests(kafka_wire(), data)
    assert (found.data, found.kind, found.durable, found.client) == (data, "Produce", True, "ekart")
    assert (found.acks, found.answered) == (acks, acks != 0)


def test_a_transactional_produce_request_and_no_client_id():
    data = encoded(
        ProduceRequest[9](transactional_id="t" * 200, acks=-1, timeout_ms=1, topic_data=[]), None
    )
    (found,) = requests(kafka_wire(), data)
    assert (found.acks, found.client) == (-1, "")


@pytest.mark.parametrize("version", range(JoinGroupRequest.max_version + 1))
def test_the_group_that_is_joined_in_every_version(version):
    request = JoinGroupRequest[version](
        group_id="warehouse",
        session_timeout_ms=1000,
        rebalance_timeout_ms=1000,
        member_id="",
        protocol_type="consumer",
        protocols=[],
    )
    (found,) = requests(kafka_wire(), encoded(request))
    assert (found.kind, found.group, found.durable) == ("JoinGroup", "warehouse", False)


@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize("version", range(EndTxnRequest.max_version + 1))
def test_whether_a_transaction_is_committed_in_every_version(version, commits):
    request = EndTxnRequest[version](
        transactional_id="ekart", producer_id=2**40 + 1, producer_epoch=257, committed=commits
    )
    (found,) = requests(kafka_wire(), encoded(request))
    assert (found.kind, found.commits) == ("EndTxn", commits)


def frame(key, version=0, body=b""):
    content = struct.pack(">hhih", key, version, 1, -1) + body
    return struct.pack(">i", len(content)) + content


def test_requests_in_pieces_one_after_the_other_and_of_unknown_keys():
    data = frame(26) + frame(777) + frame(8)
    found = requests(kafka_wire(), *(data[n : n + 1] for n in range(len(data))), number=3)
    assert [r.kind for r in found] == ["EndTxn", "request 777", "OffsetCommit"]
    assert [r.durable for r in found] == [True, False, True]


def test_the_brokers_address_becomes_the_proxys_in_replies_that_tell_it_only():
    told = b"\x0a127.0.0.1" + struct.pack(">i", 9092) + b"rest"
    data = struct.pack(">i", len(told)) + told
    for key, changes in ((3, True), (10, True), (1, False)):
        wire = kafka_wire()
        requests(wire, frame(key))
        got, ended = reply(wire, data)
        assert (len(got), ended) == (len(data), 1)
        assert (struct.pack(">i", 50_000) in got) == changes


# Postgres


def message(kind: bytes, content: bytes = b"") -> bytes:
    return kind + struct.pack(">i", len(content) + 4) + content


STARTUP = struct.pack(">ii", 8, 196_608)
READY = {status: message(b"Z", status) for status in (b"I", b"T")}


def postgres_wire(status=b"I"):
    wire = PostgresWire(SERVER, PROXY)
    requests(wire, STARTUP)
    reply(wire, READY[status])
    return wire


@pytest.mark.parametrize(
    ("text", "kind", "alone", "inside"),
    [
        (b"COMMIT", "COMMIT", True, True),
        (b"commit;", "COMMIT", True, True),
        (b"end", "COMMIT", True, True),
        (b"ROLLBACK", "ROLLBACK", False, False),
        (b"BEGIN", "BEGIN", False, False),
        (b"  insert\n into t", "INSERT", True, False),
        (b"UPDATE t SET a = 1", "UPDATE", True, False),
        (b"SELECT 1", "SELECT", False, False),
        (b"", "", False, False),
    ],
)
def test_which_statements_change_the_database(text, kind, alone, inside):
    for status, durable in ((b"I", alone), (b"T", inside)):
        (found,) = requests(postgres_wire(status), message(b"Q", text + b"\0"))
        assert (found.kind, found.durable) == (kind, durable)


PARSE = message(b"P", b"name\0INSERT INTO t VALUES ($1)\0\0\0")
BIND = message(b"B", b"\0name\0" + b"\0" * 6)
EXECUTE, SYNC = message(b"E", b"\0" * 5), message(b"S")


def test_what_a_prepared_statement_did_lasts_from_the_next_sync():
    data = PARSE + BIND + EXECUTE + SYNC + BIND + EXECUTE + BIND + EXECUTE + SYNC
    found = requests(postgres_wire(), data, number=9)
    assert [r.kind for r in found] == ["", "", "", "INSERT", "", "", "", "", "INSERT"]
    assert found[3].durable
    (*_, inside) = requests(postgres_wire(b"T"), PARSE + BIND + EXECUTE + SYNC, number=4)
    assert (inside.kind, inside.durable) == ("INSERT", False)


def test_several_statements_at_once_are_as_durable_as_the_first_that_lasts():
    for text, kind, durable in (
        (b"BEGIN; INSERT INTO t VALUES (1)", "INSERT", False),
        (b"BEGIN; INSERT INTO t VALUES (1); COMMIT", "COMMIT", True),
        (b"SELECT 1; UPDATE t SET a = 1", "UPDATE", True),
    ):
        (found,) = requests(postgres_wire(), message(b"Q", text + b"\0"))
        assert (found.kind, found.durable) == (kind, durable)


def test_a_wish_for_encryption_is_answered_with_one_byte():
    wire = PostgresWire(SERVER, PROXY)
    wish = struct.pack(">ii", 8, 80877103)
    assert requests(wire, wish)[0].data == wish
    assert reply(wire, b"N") == (b"N", 0)
    assert requests(wire, STARTUP)[0].data == STARTUP
    assert reply(wire, READY[b"I"]) == (READY[b"I"], 0)


def test_a_reply_ends_when_the_server_is_ready_again():
    wire = postgres_wire()
    requests(wire, message(b"Q", b"SELECT 1\0"))
    assert reply(wire, message(b"D", b"row"))[1] == 0
    assert reply(wire, READY[b"I"])[1] == 1


# HTTP


def test_a_post_with_a_body_is_durable_and_a_get_is_not():
    post = b"POST /charges HTTP/1.1\r\nHost: a\r\ncontent-length: 4\r\n\r\nabcd"
    get = b"GET / HTTP/1.1\r\n\r\n"
    first, second = requests(HttpWire(SERVER, PROXY), post + get, number=2)
    assert (first.data, first.kind, first.durable) == (post, "POST", True)
    assert (second.kind, second.durable) == ("GET", False)
