"""Apache Kafka as one process: broker and controller in KRaft mode."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from streamgym.errors import StreamgymError
from streamgym.stack import aot, jars, paths
from streamgym.stack.java import java
from streamgym.stack.kept import Kept
from streamgym.stack.ports import LOOPBACK, free_port
from streamgym.stack.server import NotReady, Server

VERSION = "4.3.1"
COORDINATES = [
    f"org.apache.kafka:kafka_2.13:{VERSION}+org.apache.kafka:kafka-tools:{VERSION}",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4",
]
"""What the lock is resolved from, each by itself: together they would change versions."""

CLUSTER_ID = "c3RyZWFtZ3ltLWxhYi0wMQ"
"""22 characters of base64, as Kafka wants it: streamgym-lab-01."""

LOGGING = Path(__file__).with_name("kafka-log4j2.properties")
JVM_OPTIONS = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]

SETTINGS: dict[str, object] = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # One broker: everything internal has one replica, and few partitions, to start fast.
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    # A lab waits for nobody: groups form at once, and a short session may be asked for.
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    # After a crash the controller takes the old broker for alive until its session ends.
    "broker.session.timeout.ms": 3000,
    "broker.heartbeat.interval.ms": 500,
    # Records keep their event times, however old.
    "log.retention.ms": -1,
    "log.message.timestamp.after.max.ms": 2**63 - 1,
    "auto.create.topics.enable": "false",
    "log.cleaner.dedupe.buffer.size": 4 * 1024 * 1024,
    "num.network.threads": 2,
    "num.io.threads": 4,
}


class Kafka(Server):
    """A broker of its own: ``with Kafka() as kafka: kafka.bootstrap_servers``.

    With a ``home`` of its own it keeps its records there, and goes on with them next time.
    """

    name = "kafka"
    version: ClassVar[str] = VERSION
    settings: ClassVar[Mapping[str, object]] = {}
    """Settings beside those that every broker has."""

    @property
    def bootstrap_servers(self) -> str:
        """Host and port, as clients call it."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def address(self) -> str:
        """The bootstrap servers."""
        return self.bootstrap_servers

    def _launch(self, cleanup: list[Path]) -> Kept:
        self.port, controller = free_port(self.port), free_port()
        config = self._configure(self.home, controller)
        return Kept.start(
            [*_java(*self._aot_options(aot_cache())), "kafka.Kafka", str(config)],
            env=dict(os.environ),
            cwd=self.home,
            log=self.log,
            cleanup=cleanup,
            grace=self._seconds_to_end(),
        )

    def _configure(self, home: Path, controller: int) -> Path:
        if not (home / "log").exists():
            partial = home / "log.partial"  # whoever is killed while copying leaves no half of it
            shutil.copytree(formatted(), partial, dirs_exist_ok=True)
            partial.rename(home / "log")
        return _write_settings(home, self.port, controller, self.settings)

    def _ask(self) -> None:
        try:
            socket.create_connection((LOOPBACK, self.port), timeout=1).close()
            client = KafkaAdminClient(
                bootstrap_servers=self.bootstrap_servers, bootstrap_timeout_ms=2000
            )
        except (OSError, KafkaError) as error:
            raise NotReady from error
        client.close()


def aot_cache() -> Path:
    """Return where the ahead-of-time cache of this Kafka lies."""
    return aot.cache_for(f"kafka-{VERSION}", JVM_OPTIONS)


def formatted() -> Path:
    """Return a formatted, empty log folder to copy; made once by Kafka's own StorageTool."""
    target = paths.cache() / f"kafka-{VERSION}-formatted"
    if target.exists():
        return target
    with tempfile.TemporaryDirectory(dir=paths.cache()) as folder:
        home = Path(folder)
        config = _write_settings(home, 1, 2)
        format_it = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(config)]
        command = [*_java(), *format_it]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
            raise StreamgymError(f"Kafka's storage could not be formatted: {said[0]}")
        aot.keep(home / "log", target)
    return target


def tool(main: str, *args: str) -> list[str]:
    """Return the command that runs a tool of Kafka's, given by its class, with its arguments."""
    quiet = ["-Xlog:disable", "-Xlog:all=error:stderr"]  # the cache was made for the server
    return [*_java(*quiet, *aot.using(aot_cache())), main, *args]


def _java(*options: str) -> list[str]:
    path = os.pathsep.join(str(jar) for jar in jars.jars("kafka"))
    logging = [f"-Dlog4j2.configurationFile={LOGGING}", "-Dlog4j2.disableJmx=true"]
    return [str(java()), *JVM_OPTIONS, *options, *logging, "-cp", path]


def _write_settings(
    home: Path, port: int, controller: int, more: Mapping[str, object] = {}
) -> Path:
    settings = SETTINGS | {
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
        "log.dirs": home / "log",
        **more,
    }
    path = home / "server.properties"
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    return path
