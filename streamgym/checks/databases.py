"""Fresh Postgres databases: created, filled, asked and dropped.

A database takes Postgres 0.2 s and 300 files. So what is dropped is kept as a spare, and emptied
when it is taken; it gets another name each time, which nobody who used it knows.
"""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any, LiteralString
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

QUICKLY = "-c lock_timeout=1s -c statement_timeout=20s"
"""Settings with which a spare that a submission has locked, or filled, is given up."""

MOST_SPARES = 10
"""As many as the greediest exercise uses; each is 7 MB."""

SPARES = """
SELECT datname FROM pg_database WHERE starts_with(datname, 'spare_')
AND NOT EXISTS (SELECT FROM pg_stat_activity AS a WHERE a.datname = pg_database.datname)
"""

DISCONNECT = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = %s AND usename = CURRENT_USER
"""


def create(server: str, schema: str = "") -> str:
    """Create a database with a name of its own, run these statements in it, and return its URL."""
    name = _new_name("case")
    url = urlsplit(server)._replace(path=f"/{name}").geturl()
    if not _took_spare(server, name, url):
        with _connected(server) as connection:
            _execute(connection, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
            _execute(connection, "CREATE DATABASE {}", name)
    if schema:
        with _connected(url) as connection:
            connection.execute(schema.encode())
    return url


def _took_spare(server: str, name: str, url: str) -> bool:
    """Give a spare database this name, and empty it; return whether there was one to be had."""
    try:
        with _connected(server, QUICKLY) as connection:
            if not _renamed_one(connection, name):
                return False
            for settings in ("DATABASE {}", "ROLE CURRENT_USER IN DATABASE {}"):
                _execute(connection, f"ALTER {settings} RESET ALL", name)
        with _connected(url, QUICKLY) as connection:
            connection.execute("DROP OWNED BY CURRENT_USER CASCADE")
            connection.execute("CREATE SCHEMA IF NOT EXISTS public")
    except psycopg.Error:
        return False
    return True


def _renamed_one(connection: "psycopg.Connection[Any]", name: str) -> bool:
    """Give a spare database this name, unless others are faster each time."""
    for (spare,) in connection.execute(SPARES).fetchall():
        with suppress(psycopg.Error):
            _execute(connection, "ALTER DATABASE {} RENAME TO {}", spare, name)
            return True
    return False


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
    """Drop a database, or make it a spare one, whoever is still connected to it.

    An autovacuum worker is the superuser's, and cannot be ended by us: it is waited for.
    """
    name = urlsplit(url).path[1:]
    with _connected(server) as connection:
        if len(connection.execute(SPARES).fetchall()) < MOST_SPARES:
            connection.execute(DISCONNECT, [name])
            with suppress(psycopg.errors.ObjectInUse):  # somebody has connected again
                _execute(connection, "ALTER DATABASE {} RENAME TO {}", name, _new_name("spare"))
                return
        _execute(connection, "DROP DATABASE {} WITH (FORCE)", name)


def _new_name(kind: str) -> str:
    return f"{kind}_{uuid.uuid4().hex[:12]}"


def _execute(connection: "psycopg.Connection[Any]", statement: LiteralString, *names: str) -> None:
    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


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
