"""Fresh Postgres databases: created, filled, asked and dropped."""

import uuid
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

SECONDS_TO_CONNECT = 20


def create(server: str, schema: str = "") -> str:
    """Create a database with a name of its own, run these statements in it, and return its URL."""
    name = f"case_{uuid.uuid4().hex[:12]}"
    with _connected(server) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = urlsplit(server)._replace(path=f"/{name}").geturl()
    if schema:
        with _connected(url) as connection:
            connection.execute(schema.encode())
    return url


def rows(url: str, query: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """Return what a query gives, a dict a row."""
    with _connected(url) as connection:
        return connection.cursor(row_factory=dict_row).execute(query.encode(), values).fetchall()


def run(url: str, statement: str, many: Sequence[Sequence[Any]]) -> None:
    """Run a statement once for each of these values, in one transaction."""
    with _connected(url) as connection, connection.transaction():
        connection.cursor().executemany(statement.encode(), many)


@retry(
    retry=retry_if_exception_type(psycopg.errors.InsufficientPrivilege),
    stop=stop_after_delay(SECONDS_TO_CONNECT),
    wait=wait_fixed(0.1),
    reraise=True,
)
def drop(server: str, url: str) -> None:
    """Drop a database, whoever is still connected to it.

    An autovacuum worker is the superuser's, and cannot be ended by us: it is waited for.
    """
    name = sql.Identifier(urlsplit(url).path.lstrip("/"))
    with _connected(server) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def _connected(url: str) -> "psycopg.Connection[Any]":
    return psycopg.connect(url, autocommit=True, connect_timeout=SECONDS_TO_CONNECT)
