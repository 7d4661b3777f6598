"""The learner's own stack: one of each system per user, shared by all notebooks."""

import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from streamgym.errors import StreamgymError
from streamgym.stack import paths
from streamgym.stack.kafka import Kafka
from streamgym.stack.kept import Identity
from streamgym.stack.postgres import Postgres
from streamgym.stack.prepare import prepare
from streamgym.stack.server import Server
from streamgym.stack.spark import Spark

SERVERS: dict[str, type[Server]] = {"kafka": Kafka, "spark": Spark, "postgres": Postgres}
ELSEWHERE = {
    "kafka": "KAFKA_BOOTSTRAP_SERVERS",
    "spark": "SPARK_REMOTE",
    "postgres": "DATABASE_URL",
}
"""Environment variables that name a running cluster to use instead."""

SECONDS_FOR_LOCK = 180
_owned: dict[str, Server] = {}
_threads = threading.Lock()


@dataclass(frozen=True)
class Record:
    """What is written down about a running server, so that others find and end it."""

    address: str
    pid: int
    created: float
    keeper_pid: int
    keeper_created: float
    owner_pid: int = 0
    owner_created: float = 0.0

    @property
    def server(self) -> Identity:
        """The server's process."""
        return Identity(self.pid, self.created)

    @property
    def keeper(self) -> Identity:
        """The keeper's process."""
        return Identity(self.keeper_pid, self.keeper_created)

    def is_ending(self) -> bool:
        """Return whether its owner has gone and its keeper ends it."""
        return bool(self.owner_pid) and not Identity(self.owner_pid, self.owner_created).process()


@dataclass(frozen=True)
class Status:
    """The state of one server: running, stopped, crashed, or elsewhere; memory in MB."""

    name: str
    version: str
    state: str
    address: str = ""
    pid: int = 0
    memory: int = 0


def up(names: Sequence[str] = tuple(SERVERS)) -> dict[str, str]:
    """Start what does not run, to live on until :func:`down`; return the addresses.

    Whoever is killed before a server is ready leaves nothing of it behind.

    Raises:
        StreamgymError: a server could not be started.
    """
    return {name: _address(name, detach=True) for name in names}


def address(name: str) -> str:
    """Return the address of a server for this process: elsewhere, running, or started now.

    A server that is started here ends with this process, however that ends.

    Raises:
        StreamgymError: it could not be started.
    """
    return os.environ.get(ELSEWHERE[name]) or _address(name, detach=False)


def down(names: Sequence[str] = tuple(reversed(SERVERS))) -> list[str]:
    """End the servers that run, and return their names; those that do not run are no error."""
    ended = []
    for name in names:
        with _locked(name):
            if _running(name):
                ended.append(name)
            _clear(name)
    return ended


def status() -> list[Status]:
    """Return the state of every server."""
    return [_status(name) for name in SERVERS]


def _address(name: str, *, detach: bool) -> str:
    with _threads, _locked(name):
        record = _running(name)
        if record:
            return record.address
        _clear(name)
        server = SERVERS[name](_home(name), _wanted_port(name))
        prepare()
        server.start()
        _write(name, server, detach=detach)
        if detach:
            server.kept.detach()
        else:
            _owned[name] = server
        return server.address


def _status(name: str) -> Status:
    version = SERVERS[name].version
    if elsewhere := os.environ.get(ELSEWHERE[name]):
        return Status(name, version, f"elsewhere ({ELSEWHERE[name]})", elsewhere)
    record = _read(name)
    if record is None or record.is_ending():
        return Status(name, version, "stopped")
    process = record.server.process()
    if process is None:
        return Status(name, version, "crashed", record.address)
    memory = process.memory_info().rss // 2**20
    return Status(name, version, "running", record.address, record.pid, memory)


def _running(name: str) -> Record | None:
    record = _read(name)
    if record is None or record.is_ending():
        return None
    return record if record.server.process() and record.keeper.process() else None


def _clear(name: str) -> None:
    """End what is left of a server, whoever of it and its keeper still runs; forget it."""
    record = _read(name)
    if record:
        for identity in (record.keeper, record.server):
            if process := identity.process():
                _end(process)
    if name in _owned:
        _owned.pop(name).stop()
    _path(name).unlink(missing_ok=True)


def _end(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):  # it ended by itself meanwhile
        process.terminate()
        try:
            process.wait(15)
        except psutil.TimeoutExpired:
            process.kill()


def _write(name: str, server: Server, *, detach: bool) -> None:
    chain = [Identity.of(server.kept.pid), server.kept.keeper]
    if not detach:
        chain.append(Identity.of(os.getpid()))
    record = Record(server.address, *(value for identity in chain for value in astuple(identity)))
    partial = _path(name).with_suffix(".partial")
    partial.write_text(json.dumps(asdict(record)))
    partial.replace(_path(name))


def _read(name: str) -> Record | None:
    try:
        return Record(**json.loads(_path(name).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _wanted_port(name: str) -> int:
    variable = f"STREAMGYM_{name.upper()}_PORT"
    value = os.environ.get(variable, "0")
    if not value.isdecimal() or int(value) > 65535:
        raise StreamgymError(f"{variable} is {value!r}: set it to a port number, or unset it")
    return int(value)


@contextmanager
def _locked(name: str) -> Iterator[None]:
    try:
        with FileLock(_path(name).with_suffix(".lock"), timeout=SECONDS_FOR_LOCK):
            yield
    except Timeout:
        raise StreamgymError(
            f"another process has been starting {name} for {SECONDS_FOR_LOCK} s: "
            "end it, or run `streamgym down`"
        ) from None


def _path(name: str) -> Path:
    return paths.state() / f"{name}.json"


def _home(name: str) -> Path:
    return paths.state() / name
