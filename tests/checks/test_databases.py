"""Fresh databases, each apart from the others, and gone afterwards."""

import psycopg
import pytest

from streamgym.checks import Case, databases
from streamgym.errors import Ungradable
from streamgym.stack.postgres import Postgres

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def postgres():
    with Postgres() as server:
        yield server.address


class World:
    def __init__(self, postgres):
        self.postgres = lambda: postgres


def test_a_case_makes_databases_and_drops_them_whoever_is_connected(postgres):
    with Case(1, World(postgres)) as case:
        one, other = (case.database("CREATE TABLE t (a int, b text)") for _ in range(2))
        databases.run(one, "INSERT INTO t VALUES (%s, %s)", [(1, "x"), (2, "y")])
        assert databases.rows(one, "SELECT * FROM t WHERE a > %s", [1]) == [{"a": 2, "b": "y"}]
        assert databases.rows(other, "SELECT * FROM t") == []
        connected = psycopg.connect(one)
    for url in (one, other):
        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            psycopg.connect(url)
    connected.close()


TRACES = """
CREATE TABLE t (a int);
CREATE SCHEMA other CREATE VIEW v AS SELECT 1;
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TYPE colour AS ENUM ('red');
DROP SCHEMA public CASCADE;
SELECT lo_create(4711);
ALTER DATABASE "{0}" SET default_transaction_read_only = on;
ALTER ROLE CURRENT_USER IN DATABASE "{0}" SET search_path = other;
"""
FOUND = """
SELECT relname AS name FROM pg_class WHERE oid > 16384 UNION ALL
SELECT typname FROM pg_type WHERE oid > 16384 UNION ALL
SELECT proname FROM pg_proc WHERE oid > 16384 UNION ALL
SELECT nspname FROM pg_namespace WHERE oid > 16384 AND nspname <> 'public' UNION ALL
SELECT 'large object' FROM pg_largeobject_metadata
"""


def test_a_database_of_earlier_is_as_good_as_a_new_one():
    which = "SELECT oid FROM pg_database WHERE datname = current_database()"
    with Postgres() as server:
        left = databases.create(server.address)
        before = databases.rows(left, which)
        with psycopg.connect(left, autocommit=True) as connection:
            connection.execute(TRACES.format(connection.info.dbname))
        databases.drop(server.address, left)
        url = databases.create(server.address, "CREATE TABLE public.t (a int)")
        assert databases.rows(url, which) == before
        databases.run(url, "INSERT INTO t VALUES (%s)", [[1]])
        assert sorted(row["name"] for row in databases.rows(url, FOUND)) == ["_t", "t", "t"]


def test_a_spare_that_somebody_holds_is_not_waited_for(postgres):
    databases.drop(postgres, databases.create(postgres))
    with psycopg.connect(postgres) as connection:
        for (spare,) in connection.execute(databases.SPARES).fetchall():
            connection.execute(f'ALTER DATABASE "{spare}" RENAME TO "{spare}_held"')
        url = databases.create(postgres, "CREATE TABLE t (a int)")
        assert databases.rows(url, "SELECT * FROM t") == []
        connection.rollback()
    databases.drop(postgres, url)


def test_many_rows_are_written_together_or_not_at_all(postgres):
    with Case(1, World(postgres)) as case:
        url = case.database("CREATE TABLE t (a int PRIMARY KEY)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            databases.run(url, "INSERT INTO t VALUES (%s)", [[1], [2], [1]])
        assert databases.rows(url, "SELECT * FROM t") == []


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        ("SELECT 1 AS a FROM pg_sleep(600)", "longer than 0.5 s"),
        ("SELECT generate_series(1, 1000000000) AS a", "more than"),
        ("SELECT repeat('x', 6000000) AS a", "more than"),
    ],
)
def test_what_never_ends_is_ungradable(postgres, view, reason):
    with Case(1, World(postgres)) as case:
        url = case.database(f"CREATE VIEW t AS {view}")
        with pytest.raises(Ungradable, match=reason):
            databases.rows(url, "SELECT * FROM t", seconds=0.5 if "sleep" in view else 30)


def test_a_statement_that_waits_for_a_lock_is_ungradable(postgres):
    with Case(1, World(postgres)) as case:
        url = case.database("CREATE TABLE t (a int)")
        with psycopg.connect(url) as holder:
            holder.execute("LOCK TABLE t")
            with pytest.raises(Ungradable, match="longer"):
                databases.run(url, "INSERT INTO t VALUES (%s)", [[1]], seconds=0.5)
