"""One broker and one Spark for all tests that need a real one; each test its own topics."""

import os
from contextlib import contextmanager

import psutil
import pytest

from streamgym.checks.labs import load_exercises
from streamgym.stack import forked
from streamgym.stack.kafka import Kafka
from streamgym.stack.prepare import prepare
from streamgym.stack.session import close_session, spark_session
from streamgym.stack.spark import Spark


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    """Keep the learner's own stack and progress out of the tests."""
    monkeypatch.setenv("STREAMGYM_STATE", str(tmp_path / "state"))
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "SPARK_REMOTE", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def as_course():
    """A context in which the folder given is the course, instead of the real one."""

    @contextmanager
    def entered(root):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("STREAMGYM_COURSE", str(root))
            load_exercises.cache_clear()
            yield root
        load_exercises.cache_clear()

    return entered


@pytest.fixture(scope="session")
def kafka():
    """The bootstrap servers of the tests' broker."""
    prepare()
    with Kafka() as server:
        yield server.bootstrap_servers


@pytest.fixture(scope="session")
def spark():
    """A session on the tests' Spark."""
    prepare()
    with Spark() as server:
        yield spark_session(server.remote)
        close_session(server.remote)


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_behind():
    """Fail when a process that a test started outlives the tests."""
    os.environ.pop("PYTHONUNBUFFERED", None)  # a learner's worker has buffered output
    forked.server()  # lives as long as this process
    before = guarded()
    yield
    left = guarded() - before
    assert not left, [line[:200] for line in left]


def guarded() -> set[str]:
    """Return the processes of ours, keepers and JVMs, that run below this one."""
    mine = psutil.Process(os.getpid()).children(recursive=True)
    return {line for p in mine if "streamgym" in (line := commandline(p))}


def commandline(process: psutil.Process) -> str:
    """Return how a process was called; empty when it has ended."""
    try:
        return f"{process.pid} {' '.join(process.cmdline())}"
    except psutil.Error:
        return ""
