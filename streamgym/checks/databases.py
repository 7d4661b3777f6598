"""Fresh Postgres databases: created, filled, asked and dropped."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from streamgym.errors import Ungradable

SECONDS_TO_CONNECT = 20
SECONDS_TO_ANSWER = 30.0
MOST_CHARACTERS = 5_000_000
"""How much a query may give, as text."""


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


def rows(
    url: str, query: str, values: Sequence[Any] = (), seconds: float = SECONDS_TO_ANSWER
) -> list[dict[str, Any]]:
    """Return what a query gives, a dict a row.

    The database is not trusted: a submission may have put a view, without an end, in a table's
    place.

    Raises:
        Ungradable: it took longer than ``seconds``, or gave more than :data:`MOST_CHARACTERS`.
    """
    found, size = [], 0
    with _asked(url, seconds) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        with closing(cursor.stream(query.encode(), values)) as given:  # type: ignore[type-var]
            for row in given:
                found.append(row)
                size += len(str(row))
                if size > MOST_CHARACTERS:
                    raise Ungradable(f"the database gave more than {MOST_CHARACTERS:,} characters")
    return found


def run(
    url: str,
    statement: str,
    many: Sequence[Sequence[Any]],
    seconds: float = SECONDS_TO_ANSWER,
) -> None:
    """Run a statement once for each of these values, in one transaction.

    Raises:
        Ungradable: it took longer than ``seconds``.
    """
    with _asked(url, seconds) as connection, connection.transaction():
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


@contextmanager
def _asked(url: str, seconds: float) -> "Iterator[psycopg.Connection[Any]]":
    """Give a connection on which no statement takes longer."""
    try:
        with _connected(url, options=f"-c statement_timeout={seconds:g}s") as connection:
            yield connection
    except psycopg.errors.QueryCanceled:
        raise Ungradable(f"the statement took longer than {seconds:g} s") from None


def _connected(url: str, options: str = "") -> "psycopg.Connection[Any]":
    return psycopg.connect(
        url, autocommit=True, connect_timeout=SECONDS_TO_CONNECT, options=options
    )
