"""Postgres as a context manager."""

import os
import signal
import socket
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from streamgym.errors import StreamgymError
from streamgym.stack import postgres as stack_postgres
from streamgym.stack.kept import Identity, Kept
from streamgym.stack.postgres import Postgres

from .processes import assert_gone, identities, kill

pytestmark = pytest.mark.stack


def ask(server, query):
    with psycopg.connect(server.address, autocommit=True) as connection:
        return connection.execute(query).fetchall()


def family(pid):
    """Return the processes of a server, but for those that serve a client."""
    process = psutil.Process(pid)
    return [Identity.of(p.pid) for p in (process, *process.children()) if not serves(p)]


def serves(process):
    try:
        return "127.0.0.1(" in "".join(process.cmdline())
    except psutil.Error:  # its client has gone meanwhile
        return True


def memory_segments():
    """Return the shared memory that outlives processes (System V), of which Postgres has one."""
    table = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return {line.split()[1] for line in table}


def test_it_is_of_the_version_that_is_named():
    with Postgres() as server:
        assert ask(server, "SHOW server_version") == [(stack_postgres.VERSION,)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_rows_survive_an_orderly_end_and_a_crash(tmp_path, number):
    with Postgres(tmp_path / "home") as server:
        with psycopg.connect(server.address) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
        os.kill(server.kept.pid, number)
        server.kept.wait(10)
    with Postgres(tmp_path / "home") as server:
        assert ask(server, "SELECT n FROM kept") == [(1,)]


def test_whoever_was_killed_while_initialising_does_no_harm(tmp_path):
    half = tmp_path / "home" / "data.partial"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("1")
    with Postgres(tmp_path / "home") as server:
        assert ask(server, "SELECT 1") == [(1,)]


def test_nothing_of_a_temporary_one_is_left_although_a_client_is_connected():
    before = memory_segments()
    with Postgres() as server, psycopg.connect(server.address):
        home, processes = server.home, family(server.kept.pid)
        server.stop()
    assert_gone(*processes)
    assert not home.exists()
    assert memory_segments() == before


def test_a_killed_owner_leaves_neither_process_nor_home(python):
    owner = python("""
import time
from streamgym.stack.postgres import Postgres
server = Postgres().start()
print(server.home, flush=True)
print(server.kept.keeper.pid, server.kept.pid, flush=True)
time.sleep(1000)
""")
    home, processes = Path(owner.stdout.readline().strip()), identities(owner.stdout.readline())
    processes += family(processes[-1].pid)[1:]
    assert len(processes) > 5
    kill(owner)
    assert_gone(*processes)
    assert not home.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_started_by_root_it_is_nobodys_even_in_a_folder_that_only_root_may_enter(tmp_path):
    tmp_path.chmod(0o700)
    with Postgres(tmp_path / "home") as server:
        assert {p.process().username() for p in family(server.kept.pid)} == {"nobody"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_whoever_is_not_root_runs_it_as_himself(tmp_path):
    code = "from streamgym.stack.postgres import Postgres; Postgres().start(); print('well')"
    kept = Kept.start(
        [sys.executable, "-c", code], env={"HOME": str(tmp_path)}, user="nobody", log=tmp_path / "l"
    )
    assert kept.wait(60) == 0
    assert kept.last_words() == "well\n"
    kept.stop()


def test_whoever_connects_can_run_no_program_and_be_no_other_role():
    with Postgres() as server:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(server, "COPY (SELECT 1) TO PROGRAM 'cat > /tmp/out'")
        with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf"):
            psycopg.connect(server.address.replace("streamgym@", "postgres@"))


def test_a_failed_start_says_why_and_removes_a_temporary_home(monkeypatch):
    monkeypatch.setitem(stack_postgres.SETTINGS, "shared_buffers", "plenty")
    server = Postgres()
    with pytest.raises(StreamgymError, match=r"postgres ended while it started: .*shared_buffers"):
        server.start()
    assert not server.home.exists()


def test_it_listens_on_loopback_only():
    with Postgres() as server:
        listening = [c for c in psutil.Process(server.kept.pid).net_connections() if not c.raddr]
        assert [c.laddr for c in listening] == [("127.0.0.1", server.port)]
        assert listening[0].family == socket.AF_INET
