"""Streaming queries whose sink is killed in mid-batch, on a real Spark, Kafka and Postgres."""

from functools import partial

import psycopg
import pytest

from streamgym.checks import Case, databases, queries
from streamgym.checks.case import PROXIES
from streamgym.checks.expect import summarise
from streamgym.data import streams
from streamgym.stack.postgres import Postgres

pytestmark = pytest.mark.stack
TABLE = "CREATE TABLE counted (number int, batch bigint)"
ONCE = "ALTER TABLE counted ADD UNIQUE (number)"


@pytest.fixture(scope="module")
def postgres():
    with Postgres() as server:
        yield server.address


class World:
    def __init__(self, kafka, spark, postgres):
        self.kafka, self.spark = lambda: kafka, lambda: spark
        self.postgres, self.proxy_ports = lambda: postgres, lambda: [0] * PROXIES


@pytest.fixture
def case(kafka, spark, postgres):
    with Case(1, World(kafka, spark, postgres)) as made:
        yield made


def numbers(spark, servers, topic):
    return streams.read_json(spark, servers, topic, "n int", 10).select("n")


def writer(stream, url, checkpoint, extra):
    def insert(batch, number):
        rows = [(row.n, number) for row in batch.collect()]
        with psycopg.connect(url) as connection:
            connection.cursor().executemany(f"INSERT INTO counted VALUES (%s, %s) {extra}", rows)

    return stream.writeStream.foreachBatch(insert).option("checkpointLocation", checkpoint)


def found(case, spark, kafka, extra, schema):
    topic = case.topic({"n": n} for n in range(30))
    stream = numbers(spark, kafka, topic)
    with queries.folder(spark) as folder:
        stages = iter(range(100))

        def prepare():
            url, checkpoint = case.database(schema), str(folder / str(next(stages)))

            def message(address):
                return queries.to_message(writer(stream, address, checkpoint, extra))

            return url, message, partial(broken, url)

        return {e.name: e for e in summarise(queries.survives(case, prepare, {"once": 2}))}


def broken(url):
    rows = databases.rows(url, "SELECT number FROM counted ORDER BY number")
    return {"once": [] if [r["number"] for r in rows] == list(range(30)) else rows}


def test_an_append_doubles_the_batch_whose_commit_was_not_noted(case, spark, kafka):
    expectations = found(case, spark, kafka, "", TABLE)
    assert expectations["without a crash: once"].passed
    doubled = expectations["after any crash: once"]
    assert not doubled.passed
    assert doubled.hint == 2
    assert {"killed after" in e.given for e in doubled.evidence} == {True}


def test_an_idempotent_sink_survives_every_kill(case, spark, kafka):
    extra = "ON CONFLICT DO NOTHING"
    expectations = found(case, spark, kafka, extra, f"{TABLE}; {ONCE}")
    assert all(e.passed for e in expectations.values())
    assert expectations["after any crash: once"].seen == 2
