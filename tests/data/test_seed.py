"""`streamgym seed`, killed in mid-load and started again, on real systems."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from streamgym.checks import databases
from streamgym.data.ekart import Ekart
from streamgym.data.ekart_events import TOPICS, events
from streamgym.data.seeding import load, open_sink
from streamgym.data.seeding.kafka import TOGETHER, KafkaSink
from streamgym.data.seeding.parquet import ParquetSink
from streamgym.data.seeding.postgres import REFERENCES, PostgresSink
from streamgym.errors import StreamgymError
from streamgym.faults.actions import KillAfter, KillBefore, Rule
from streamgym.faults.proxy import Proxy
from streamgym.stack.kafka import Kafka
from streamgym.stack.postgres import Postgres

COMMAND = [sys.executable, "-c", "from streamgym.cli import app; app()", "seed", "--seed", "7"]
SHOP = Ekart(7, 12)
SPOILT = Ekart(7, 20, duplicates=20_000, late=30_000, malformed=10_000)
SHARES = ["--duplicates", "0.02", "--late", "0.03", "--malformed", "0.01"]

DIES_AT_WRITE = """
import os, signal
from itertools import count
from streamgym.cli import app

writes, really = count(1), os.fsync
os.fsync = lambda file: os.kill(os.getpid(), 9) if next(writes) == {} else really(file)
app()
"""


def killed(command, action, kind, number, variable, address):
    """Run a command through the proxy, and kill it at a request."""
    process = []
    rule = Rule(kind, action(lambda: (process[0].kill(), process[0].wait())), number)
    with Proxy([rule]) as proxy:
        process.append(subprocess.Popen(command, env={variable: proxy.address(address)}))
        assert process[0].wait(120) == -9


def run(command, **env):
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


# Postgres


@pytest.fixture(scope="module")
def postgres():
    with Postgres() as server:
        yield server.address


@pytest.fixture
def database(postgres):
    url = databases.create(postgres)
    yield url
    databases.drop(postgres, url)


def dump(url):
    tables = [*{table for table, _ in REFERENCES}, "sellers", "warehouses", "seed_batches"]
    with psycopg.connect(url) as db:
        found = {}
        for table in tables:
            words = f"COPY (SELECT * FROM ekart.{table} ORDER BY 1, 2) TO STDOUT"
            with db.cursor().copy(words) as rows:
                found[table] = b"".join(rows)
        keys = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated"
        found["foreign keys"] = db.execute(keys).fetchone()
    return found


@pytest.fixture(scope="module")
def undisturbed(postgres):
    url = databases.create(postgres)
    with PostgresSink(url, SHOP) as sink:
        load(sink)
    yield dump(url)
    databases.drop(postgres, url)


@pytest.mark.stack
@pytest.mark.parametrize(
    ("action", "kind", "number"),
    [
        (KillAfter, "COMMIT", 1),
        (KillBefore, "COPY", 7),
        (KillBefore, "COMMIT", 4),
        (KillAfter, "COMMIT", 6),
        (KillBefore, "COMMIT", 8),
    ],
)
def test_postgres_is_exact_after_a_kill(database, undisturbed, action, kind, number):
    command = [*COMMAND, "--scale", "12"]
    killed(command, action, kind, number, "DATABASE_URL", database)
    for _ in range(2):
        code, said = run(command, DATABASE_URL=database)
        assert code == 0, said
        assert dump(database) == undisturbed


@pytest.mark.stack
def test_postgres_has_real_keys(undisturbed, database):
    assert undisturbed["foreign keys"] == (len(REFERENCES),)
    with PostgresSink(database, Ekart(7, 0.1)) as sink:
        load(sink)
    twice = "INSERT INTO ekart.payouts SELECT * FROM ekart.payouts"
    nobody = "UPDATE ekart.orders SET seller_id = 4711"
    free = "UPDATE ekart.variants SET price = 0"
    for statement in (twice, nobody, free):
        with pytest.raises(psycopg.IntegrityError), psycopg.connect(database) as db:
            db.execute(statement)


@pytest.mark.stack
def test_another_shop_is_refused_in_one_line(database):
    with PostgresSink(database, Ekart(7, 0.1)) as sink:
        load(sink)
    code, said = run([*COMMAND, "--scale", "0.2"], DATABASE_URL=database)
    assert code == 2
    assert said.count("\n") == 1
    assert "DROP SCHEMA ekart" in said


@pytest.mark.stack
def test_a_schema_of_somebody_else_is_left_alone(database):
    with psycopg.connect(database) as db:
        db.execute("CREATE SCHEMA ekart")
    with pytest.raises(StreamgymError, match="not of streamgym"), PostgresSink(database, SHOP):
        pass


def test_what_does_not_go_together_is_refused_at_once():
    with pytest.raises(StreamgymError, match="constraints refuse"):
        open_sink("postgres", SPOILT, None)
    with pytest.raises(StreamgymError, match="--out"):
        open_sink("parquet", SHOP, None)
    with pytest.raises(StreamgymError, match="none of"):
        open_sink("mongodb", SHOP, None)


def test_nobody_there_is_one_line():
    nobody = "postgresql://x@127.0.0.1:1/x"
    with pytest.raises(StreamgymError, match="cannot be reached"), PostgresSink(nobody, SHOP):
        pass


# Kafka


def logs(servers):
    """Return the committed records of every topic, by key, in their order."""
    settings = {"bootstrap.servers": servers, "group.id": "test", "enable.partition.eof": True}
    consumer = Consumer(settings | {"isolation.level": "read_committed"})
    places = [TopicPartition(topic, n, 0) for topic in TOPICS for n in range(3)]
    consumer.assign(places)
    found, ended = [], set()
    while len(ended) < len(places):
        for message in consumer.consume(10_000, 0.2):
            if message.error():
                ended.add((message.topic(), message.partition()))
            else:
                found.append((message.topic(), message.partition(), *content(message)))
    consumer.close()
    return found


def content(message):
    return message.key(), message.value(), message.timestamp()[1]


@pytest.mark.stack
@pytest.mark.parametrize(
    ("action", "kind", "number"),
    [
        (KillAfter, "Produce", 20),
        (KillBefore, "EndTxn", 2),
        (KillAfter, "EndTxn", 2),
        (KillBefore, "EndTxn", 3),
    ],
)
def test_kafka_is_exact_after_a_kill(action, kind, number):
    """The first EndTxn is of the shop's identity, the second of all batches but the last."""
    shop = replace(SPOILT, scale=10 * (TOGETHER + 1))
    command = [*COMMAND, "--to", "kafka", "--scale", str(shop.scale), *SHARES]
    due = [row for batch in shop.order_batches() for row in events(shop, batch).to_pylist()]
    with Kafka() as server:
        killed(command, action, kind, number, "KAFKA_BOOTSTRAP_SERVERS", server.address)
        for _ in range(2):
            code, said = run(command, KAFKA_BOOTSTRAP_SERVERS=server.address)
            assert code == 0, said
        found = logs(server.address)
        for topic, name in enumerate(TOPICS):
            ours = [row for row in due if row["topic"] == topic]
            theirs = [record for record in found if record[0] == name]
            assert {p for _, p, *_ in theirs} == {0, 1, 2}
            where = {key: partition for _, partition, key, *_ in theirs}
            for partition in range(3):
                there = [rest for _, at, *rest in theirs if at == partition]
                keys = [row for row in ours if where[row["key"].encode()] == partition]
                assert there == [[r["key"].encode(), r["value"], r["time"]] for r in keys]
        other = run([*COMMAND, "--to", "kafka"], KAFKA_BOOTSTRAP_SERVERS=server.address)
        assert other[0] == 2
        assert other[1].count("\n") == 1


@pytest.mark.stack
def test_topics_of_somebody_else_are_left_alone():
    with Kafka() as server:
        admin = AdminClient({"bootstrap.servers": server.address})
        admin.create_topics([NewTopic("order-created", 1)])["order-created"].result()
        producer = Producer({"bootstrap.servers": server.address})
        producer.produce("order-created", b"{}")
        producer.flush()
        with (
            pytest.raises(StreamgymError, match="somebody else"),
            KafkaSink(server.address, SHOP),
        ):
            pass


# Parquet


def files(folder):
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.mark.parametrize("write", [1, 4, 12])
def test_parquet_is_exact_after_a_kill(tmp_path, write):
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    with ParquetSink(whole, SPOILT) as sink:
        loaded = load(sink)
    arguments = [*COMMAND[3:], "--to", "parquet", "--scale", "20", *SHARES, "--out", str(folder)]
    dies = subprocess.run([sys.executable, "-c", DIES_AT_WRITE.format(write), *arguments])
    assert dies.returncode == -9
    for _ in range(2):
        code, said = run([*COMMAND[:3], *arguments])
        assert code == 0, said
        assert files(folder) == files(whole)
    rows = [row for b in SPOILT.order_batches() for row in events(SPOILT, b)["value"].to_pylist()]
    assert pq.read_table(folder / "events")["value"].to_pylist() == rows
    assert loaded.records == sum(pq.read_table(p.parent).num_rows for p in folder.glob("*/*00000*"))


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(StreamgymError, match="other files"), ParquetSink(tmp_path, SHOP):
        pass


def test_a_folder_with_another_shop_is_refused(tmp_path):
    with ParquetSink(tmp_path, Ekart(7, 0.1)) as sink:
        load(sink)
    with (
        pytest.raises(StreamgymError, match="another --out"),
        ParquetSink(tmp_path, Ekart(8, 0.1)),
    ):
        pass
    assert json.loads(Path(tmp_path / "ekart.json").read_text())["seed"] == 7
