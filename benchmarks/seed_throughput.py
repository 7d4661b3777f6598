"""What `streamgym seed` makes of the guide's 11,500 records, against other ways and the floor.

Postgres, in one run, alternating, into the same tables with the same keys and checks: row by row
with a commit for each, the guide's batches of 1,000, ours (making the records included), and the
floor, a bare COPY of the same bytes made beforehand. Kafka: ours, in transactions, against a bare
producer with the same settings that is given the same bytes, at a scale at which the first
transaction of a new broker, 0.1 s, is little. Aims: at most 1.5 times the floor, at least 20 times
as fast as the guide's way, which takes 10 to 30 s on the guide's machine.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
from confluent_kafka import Producer
from psycopg import sql

from streamgym.data.ekart import Ekart
from streamgym.data.ekart_events import events
from streamgym.data.seeding import Sink, load
from streamgym.data.seeding.kafka import SETTINGS, KafkaSink, produce
from streamgym.data.seeding.parquet import ParquetSink
from streamgym.data.seeding.postgres import PostgresSink, add_references, copy, encoded
from streamgym.stack.kafka import Kafka
from streamgym.stack.postgres import Postgres
from streamgym.stack.prepare import prepare

ROUNDS, KAFKA_ROUNDS, SCALE_FOR_KAFKA = 5, 8, 100
GUIDE = (10, 30)
"""The seconds that the guide gives for its seeder."""

SHOP = Ekart(7)
Way = Callable[["psycopg.Connection[Any]"], None]


def tables() -> dict[str, pa.Table]:
    """Return the whole shop."""
    return {name: table for b in SHOP.batches() for name, table in SHOP.tables(b).items()}


TABLES = tables()
ROWS = {name: list(zip(*table.to_pydict().values(), strict=True)) for name, table in TABLES.items()}
BYTES = {name: encoded(table) for name, table in TABLES.items()}


def row_by_row(db: "psycopg.Connection[Any]") -> None:
    """Insert each row, and commit it."""
    for name, rows in ROWS.items():
        insert = insertion(name)
        for row in rows:
            db.execute(insert, row)


def in_batches(db: "psycopg.Connection[Any]") -> None:
    """Insert 1,000 rows at a time, as the guide does; a transaction for each."""
    for name, rows in ROWS.items():
        for low in range(0, len(rows), 1000):
            with db.transaction():
                db.cursor().executemany(insertion(name), rows[low : low + 1000])


def bare_copy(db: "psycopg.Connection[Any]") -> None:
    """Copy bytes that were made beforehand."""
    with db.transaction():
        for name, data in BYTES.items():
            copy(db, name, [data])


def insertion(name: str) -> sql.Composed:
    """Return the statement that inserts a row."""
    places = sql.SQL(", ").join(sql.Placeholder() * TABLES[name].num_columns)
    return sql.SQL("INSERT INTO {} VALUES ({})").format(sql.Identifier("ekart", name), places)


def filled(url: str, way: Way) -> float:
    """Return the seconds that a way takes, into fresh tables, with the foreign keys added."""
    with fresh(url), psycopg.connect(url, autocommit=True) as db:
        began = time.perf_counter()
        way(db)
        with db.transaction():
            add_references(db)
        return time.perf_counter() - began


def ours(url: str) -> float:
    """Return the seconds of a load of ours."""
    with fresh(url) as sink:
        return load(sink).seconds


def fresh(url: str) -> PostgresSink:
    """Return an open sink of empty tables."""
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("SET client_min_messages = warning; DROP SCHEMA IF EXISTS ekart CASCADE")
    return PostgresSink(url, SHOP)


def bare_producer(servers: str, shop: Ekart) -> float:
    """Return the seconds in which a producer without transactions sends what was made before."""
    made = [events(shop, batch).to_pydict() for batch in shop.order_batches()]
    records = [record for part in made for record in zip(*part.values(), strict=True)]
    with KafkaSink(servers, shop):  # which makes the topics
        pass
    settings = {k: v for k, v in SETTINGS.items() if k != "transactional.id"}
    producer = Producer(settings | {"bootstrap.servers": servers, "enable.idempotence": True})
    producer.list_topics(timeout=30)
    began = time.perf_counter()
    produce(producer, records)
    producer.flush()
    return time.perf_counter() - began


def in_transactions(servers: str, shop: Ekart) -> float:
    """Return the seconds of a load of ours."""
    with KafkaSink(servers, shop) as sink:
        return load(sink).seconds


def scaled(sink: Sink) -> str:
    """Return records and records per second of a load."""
    with sink:
        loaded = load(sink)
    return f"{loaded.records:9,} records {loaded.new / loaded.seconds:9,.0f} records/s"


def postgres() -> None:
    """Measure the ways into Postgres, and print ratios; then the scales."""
    with Postgres() as server:
        url = server.address
        ways: dict[str, Callable[[], float]] = {
            "row by row": lambda: filled(url, row_by_row),
            "batches of 1,000": lambda: filled(url, in_batches),
            "streamgym": lambda: ours(url),
            "bare COPY": lambda: filled(url, bare_copy),
        }
        rounds = [{name: way() for name, way in ways.items()} for _ in range(ROUNDS)]
        took = {name: statistics.median(r[name] for r in rounds) for name in ways}
        for name, seconds in took.items():
            ratio = f"{seconds / took['bare COPY']:6.2f} of bare COPY"
            slower = f"{seconds / took['streamgym']:6.1f} of streamgym"
            print(f"Postgres {name:17} {seconds:7.3f} s {ratio} {slower}   (median of {ROUNDS})")
        low, high = (seconds / took["streamgym"] for seconds in GUIDE)
        print(f"the guide's 10 to 30 s are {low:.0f} to {high:.0f} of streamgym")
        for scale in (1, 10, 100):
            fresh(url)
            print(f"Postgres  scale {scale:4} {scaled(PostgresSink(url, Ekart(7, scale)))}")


def kafka() -> None:
    """Measure ours against a bare producer, and print the ratio; then the scales."""
    shop, took = Ekart(7, SCALE_FOR_KAFKA), {bare_producer: [0.0], in_transactions: [0.0]}
    for _ in range(KAFKA_ROUNDS):
        for way, seconds in took.items():
            with Kafka() as server:
                seconds.append(way(server.address, shop))
    bare, own = (statistics.median(seconds[1:]) for seconds in took.values())
    print(f"Kafka bare producer {bare:6.3f} s   streamgym {own:6.3f} s   ratio {own / bare:.2f}")
    for scale in (1, 10, 100):
        with Kafka() as server:
            print(f"Kafka     scale {scale:4} {scaled(KafkaSink(server.address, Ekart(7, scale)))}")


def parquet() -> None:
    """Print the scales."""
    for scale in (1, 10, 100):
        folder = Path(tempfile.mkdtemp())
        print(f"Parquet   scale {scale:4} {scaled(ParquetSink(folder, Ekart(7, scale)))}")
        shutil.rmtree(folder)


def main() -> None:
    """Measure all."""
    prepare()
    postgres()
    kafka()
    parquet()


if __name__ == "__main__":
    main()
