"""The proxy on a real Postgres."""

from functools import partial

import psycopg
import pytest

from streamgym.checks import databases
from streamgym.faults.actions import Cut, Rule
from streamgym.faults.proxy import Proxy
from streamgym.faults.sweep import Point, Stage, run_once
from streamgym.faults.trace import Fate
from streamgym.lab.scripts import workspace
from streamgym.stack.postgres import Postgres

pytestmark = pytest.mark.stack
SCHEMA = "CREATE TABLE seen (number int, run int)"


@pytest.fixture(scope="module")
def postgres():
    with Postgres() as server:
        yield server.address


@pytest.fixture
def database(postgres):
    url = databases.create(postgres, SCHEMA)
    yield url
    databases.drop(postgres, url)


def numbers(database):
    return [row["number"] for row in databases.rows(database, "SELECT * FROM seen ORDER BY 1")]


def test_statements_of_a_client_and_what_lasts(database):
    with Proxy() as proxy:
        with psycopg.connect(proxy.address(database)) as connection:
            for number in range(7):  # from the fifth time on it is a prepared statement
                connection.execute("INSERT INTO seen VALUES (%s, 1)", [number])
            connection.commit()
            connection.cursor().executemany("INSERT INTO seen VALUES (%s, 1)", [[7], [8]])
            connection.rollback()
        with psycopg.connect(proxy.address(database), autocommit=True) as connection:
            connection.execute("INSERT INTO seen VALUES (9, 1)")
        assert [event.kind for event in proxy.trace.durable()] == ["COMMIT", "INSERT"]
    assert numbers(database) == [*range(7), 9]


def copy(connection, many):
    with connection.cursor().copy("COPY seen FROM STDIN") as rows:
        for number in many:
            rows.write_row((number, 1))


def test_a_copy_lasts_from_its_end_on(database):
    with Proxy() as proxy:
        with psycopg.connect(proxy.address(database), autocommit=True) as connection:
            copy(connection, [0, 1])
            with connection.transaction():
                copy(connection, [2])
            with pytest.raises(psycopg.Error):
                copy(connection, ["no number"])
            with connection.cursor().copy("COPY seen TO STDOUT") as rows:
                assert len(list(rows)) == 3
            connection.execute("INSERT INTO seen VALUES (3, 1)")
        assert [e.kind for e in proxy.trace.durable()] == [
            "CopyDone",
            "COMMIT",
            "CopyDone",
            "INSERT",
        ]
        copies = [event for event in proxy.trace.events if event.kind in ("COPY", "CopyDone")]
        assert all(event.fate is Fate.ANSWERED for event in copies)
        assert all(event.answered > event.seconds for event in copies)
    assert numbers(database) == [0, 1, 2, 3]


COPIER = """
import os, psycopg
with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
    with connection.cursor().copy("COPY seen FROM STDIN") as rows:
        rows.write_row((0, 1))
"""


@pytest.mark.parametrize(("when", "due"), [("before", [0]), ("after", [0, 0])])
def test_a_crash_before_and_after_the_end_of_a_copy(database, when, due):
    trial = run_once(
        partial(workspace, COPIER), Stage({"DATABASE_URL": database}), Point(when, "CopyDone", 1)
    )
    assert trial.reached
    assert trial.run.returncode == 0
    assert numbers(database) == due


def test_a_commit_whose_answer_is_lost_has_happened(database):
    rule = Rule("COMMIT", Cut())
    with Proxy([rule]) as proxy:
        connection = psycopg.connect(proxy.address(database))
        connection.execute("INSERT INTO seen VALUES (1, 1)")
        with pytest.raises(psycopg.OperationalError):
            connection.commit()
    assert numbers(database) == [1]


WORKER = """
import os, psycopg
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    (run,) = connection.execute("SELECT 1 + coalesce(max(run), 0) FROM seen").fetchone()
    for number in range(3):
        connection.execute("INSERT INTO seen VALUES (%s, %s)", [number, run])
        connection.commit()
"""


@pytest.mark.parametrize(("when", "due"), [("before", [0, 0, 1, 2]), ("after", [0, 0, 1, 1, 2])])
def test_a_crash_before_and_after_a_commit(database, when, due):
    stage = Stage({"DATABASE_URL": database})
    trial = run_once(partial(workspace, WORKER), stage, Point(when, "COMMIT", 2))
    assert trial.reached
    assert trial.run.returncode == 0
    assert numbers(database) == due
