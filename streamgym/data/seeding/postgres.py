"""ekart in Postgres: a schema of its own, each batch COPY in one transaction with its mark."""

from collections.abc import Iterable
from types import TracebackType
from typing import Any, LiteralString, Self

import psycopg
import pyarrow as pa
import pyarrow.csv
from psycopg import sql

from streamgym.data.ekart import Batch, Ekart
from streamgym.data.seeding.load import differs
from streamgym.errors import StreamgymError

SCHEMA = "ekart"
SECONDS_FOR_LOCK = 15
LOCK = 0x656B617274
"""The number of the advisory lock that one loader at a time holds: *ekart* in ASCII."""

TABLES: LiteralString = """
CREATE TABLE ekart.warehouses (
    id bigint PRIMARY KEY, code text NOT NULL UNIQUE, city text NOT NULL);
CREATE TABLE ekart.sellers (
    id bigint PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE, city text NOT NULL,
    joined_at timestamptz NOT NULL);
CREATE TABLE ekart.products (
    id bigint PRIMARY KEY, seller_id bigint NOT NULL, name text NOT NULL, category text NOT NULL);
CREATE TABLE ekart.variants (
    id bigint PRIMARY KEY, product_id bigint NOT NULL, sku text NOT NULL UNIQUE, size text NOT NULL,
    price numeric(10, 2) NOT NULL CHECK (price > 0), UNIQUE (product_id, size));
CREATE TABLE ekart.inventory (
    variant_id bigint NOT NULL, warehouse_id bigint NOT NULL,
    quantity integer NOT NULL CHECK (quantity >= 0), PRIMARY KEY (variant_id, warehouse_id));
CREATE TABLE ekart.orders (
    id bigint PRIMARY KEY, seller_id bigint NOT NULL, variant_id bigint NOT NULL,
    customer_id bigint NOT NULL, quantity integer NOT NULL CHECK (quantity > 0),
    amount numeric(10, 2) NOT NULL CHECK (amount > 0),
    status text NOT NULL
        CHECK (status IN ('placed', 'reserved', 'paid', 'completed', 'cancelled')),
    placed_at timestamptz NOT NULL);
CREATE TABLE ekart.payouts (
    order_id bigint PRIMARY KEY, seller_id bigint NOT NULL,
    amount numeric(10, 2) NOT NULL CHECK (amount > 0), paid_at timestamptz NOT NULL);
"""

SEED: LiteralString = """
CREATE TABLE ekart.seed (identity text NOT NULL);
CREATE TABLE ekart.seed_batches (name text PRIMARY KEY, records bigint NOT NULL);
"""

REFERENCES = {
    ("products", "seller_id"): "sellers",
    ("variants", "product_id"): "products",
    ("inventory", "variant_id"): "variants",
    ("inventory", "warehouse_id"): "warehouses",
    ("orders", "seller_id"): "sellers",
    ("orders", "variant_id"): "variants",
    ("payouts", "order_id"): "orders",
    ("payouts", "seller_id"): "sellers",
}
"""Which column of which table names a row of which other."""

CONSTRAINTS = "constraints"
"""What marks that the foreign keys are there. They come last, as pg_dump has them: one join for
each instead of a look-up for each row."""


class PostgresSink:
    """A database that takes the shop: ``with PostgresSink(url, shop) as sink: load(sink)``."""

    def __init__(self, url: str, shop: Ekart) -> None:
        self._url, self._shop = url, shop

    def batches(self) -> list[Batch]:
        """Return the batches of all tables."""
        return self._shop.batches()

    def done(self) -> dict[str, int]:
        """Return the batches that are marked."""
        rows = self._db.execute("SELECT name, records FROM ekart.seed_batches").fetchall()
        return dict(rows)

    def load(self, batch: Batch) -> int:
        """Copy a batch into its tables, and mark it, in one transaction."""
        with self._db.transaction():
            tables = self._shop.tables(batch)
            for name, table in tables.items():
                copy(self._db, name, [encoded(table)])
            records: int = sum(table.num_rows for table in tables.values())
            self._mark(batch.name, records)
        return records

    def finish(self) -> None:
        """Add the foreign keys, unless they are there."""
        if CONSTRAINTS not in self.done():
            with self._db.transaction():
                add_references(self._db)
                self._mark(CONSTRAINTS, 0)

    def _mark(self, name: str, records: int) -> None:
        self._db.execute("INSERT INTO ekart.seed_batches VALUES (%s, %s)", (name, records))

    def _prepare(self) -> None:
        """Make the schema in one transaction, or see that it is ours."""
        found = self._db.execute("SELECT to_regnamespace('ekart'), to_regclass('ekart.seed')")
        schema, seed = found.fetchone() or (None, None)
        if schema and not seed:
            raise StreamgymError(
                "there is a schema ekart that is not of streamgym: "
                "let DATABASE_URL name another database"
            )
        if not seed:
            with self._db.transaction():
                self._db.execute("CREATE SCHEMA ekart")
                self._db.execute(TABLES + SEED)
                self._db.execute("INSERT INTO ekart.seed VALUES (%s)", (self._shop.identity,))
            return
        held = self._db.execute("SELECT identity FROM ekart.seed").fetchone() or ("nothing",)
        if held[0] != self._shop.identity:
            remedy = "say DROP SCHEMA ekart CASCADE, or let DATABASE_URL name another database"
            raise StreamgymError(differs("Postgres", held[0], self._shop, remedy))

    def __enter__(self) -> Self:
        try:
            self._db = psycopg.connect(self._url, autocommit=True, connect_timeout=SECONDS_FOR_LOCK)
        except psycopg.OperationalError as error:
            raise StreamgymError(f"Postgres cannot be reached: {error}".strip()) from None
        try:
            self._db.execute("SET client_min_messages = warning; SET TIME ZONE 'UTC'")
            self._lock()
            self._prepare()
        except BaseException:
            self._db.close()
            raise
        return self

    def _lock(self) -> None:
        self._db.execute(f"SET lock_timeout = '{SECONDS_FOR_LOCK}s'")
        try:
            self._db.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        except psycopg.errors.LockNotAvailable:
            raise StreamgymError("another seed loads this database: let it end first") from None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.close()
        if isinstance(error, psycopg.OperationalError):
            raise StreamgymError(f"Postgres failed ({error}): the same command goes on") from error


def copy(db: "psycopg.Connection[Any]", table: str, chunks: Iterable[memoryview]) -> None:
    """Copy rows, as CSV, into a table of the schema."""
    to = sql.Identifier(SCHEMA, table)
    with db.cursor().copy(sql.SQL("COPY {} FROM STDIN (FORMAT csv)").format(to)) as stream:
        for chunk in chunks:
            stream.write(chunk)


def encoded(table: pa.Table) -> memoryview:
    """Return a table as CSV."""
    sink = pa.BufferOutputStream()
    options = pyarrow.csv.WriteOptions(include_header=False, batch_size=table.num_rows or 1)
    pyarrow.csv.write_csv(table, sink, options)
    return memoryview(sink.getvalue())


def add_references(db: "psycopg.Connection[Any]") -> None:
    """Add all foreign keys; Postgres looks whether every row has what it names."""
    for (table, column), other in REFERENCES.items():
        words = "ALTER TABLE {} ADD FOREIGN KEY ({}) REFERENCES {} (id)"
        db.execute(
            sql.SQL(words).format(
                sql.Identifier(SCHEMA, table),
                sql.Identifier(column),
                sql.Identifier(SCHEMA, other),
            )
        )
