"""Apache Spark as a Spark Connect server, with the Kafka connector."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import grpc
import pyspark
from pyspark.sql.connect.proto.base_pb2 import AnalyzePlanRequest
from pyspark.sql.connect.proto.base_pb2_grpc import SparkConnectServiceStub

from streamgym.stack import aot, jars
from streamgym.stack.java import java
from streamgym.stack.kept import Kept
from streamgym.stack.ports import LOOPBACK, free_port
from streamgym.stack.server import NotReady, Server

VERSION = "4.2.0"
COORDINATES = [f"org.apache.spark:spark-sql-kafka-0-10_2.13:{VERSION}"]
SPARK_HOME = Path(pyspark.__file__).parent

OPENED = [
    "java.base/java.lang",
    "java.base/java.lang.invoke",
    "java.base/java.lang.reflect",
    "java.base/java.io",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.base/sun.nio.cs",
    "java.base/sun.security.action",
    "java.base/sun.util.calendar",
    "java.security.jgss/sun.security.krb5",
]
"""The packages that Spark needs opened (its ``JavaModuleOptions``)."""

JVM_OPTIONS = [
    "-Xmx1g",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+IgnoreUnrecognizedVMOptions",
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    "-Djava.net.preferIPv4Stack=true",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dio.netty.allocator.type=pooled",
    "-Duser.timezone=UTC",
    *(f"--add-opens={name}=ALL-UNNAMED" for name in OPENED),
]

CHECKPOINTING = "org.apache.spark.sql.execution.streaming.checkpointing"

SETTINGS: dict[str, object] = {
    "spark.master": "local[2]",
    "spark.driver.host": LOOPBACK,
    "spark.driver.bindAddress": LOOPBACK,
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    # Laptop-sized data: a shuffle into 200 partitions would be 200 almost empty tasks.
    "spark.sql.shuffle.partitions": 2,
    # The default starts a process for each rename, that runs readlink (Hadoop's FileUtil).
    "spark.sql.streaming.checkpointFileManagerClass": (
        f"{CHECKPOINTING}.FileSystemBasedCheckpointFileManager"
    ),
}


class Spark(Server):
    """A Spark Connect server of its own: ``with Spark() as spark: spark.remote``.

    Args:
        home: its folder; when None a temporary one, which is removed at the end.
        port: where it listens; any free port when 0.
        sandbox: a policy, as keyword arguments of ``sandlock.Sandbox``; None for no sandbox.
    """

    name = "spark"
    version: ClassVar[str] = VERSION
    grace = 1.0

    def __init__(
        self,
        home: Path | None = None,
        port: int = 0,
        sandbox: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(home, port)
        self.sandbox = sandbox
        self.ui_port = 0

    @property
    def remote(self) -> str:
        """The address that a SparkSession connects to."""
        return f"sc://{LOOPBACK}:{self.port}"

    @property
    def address(self) -> str:
        """The remote."""
        return self.remote

    def _launch(self, cleanup: list[Path]) -> Kept:
        self.port, self.ui_port = free_port(self.port), free_port()
        temporary = self.home / "tmp"
        temporary.mkdir(exist_ok=True)
        return Kept.start(
            [*_java(temporary, *self._aot_options(aot_cache())), *self._submit()],
            env=self._environment(),
            cwd=self.home,
            log=self.log,
            sandbox=self.sandbox,
            cleanup=cleanup,
            grace=self._seconds_to_end(),
        )

    def _submit(self) -> list[str]:
        own = {
            "spark.connect.grpc.binding.address": LOOPBACK,
            "spark.connect.grpc.binding.port": self.port,
            "spark.ui.port": self.ui_port,
            "spark.local.dir": self.home / "tmp",
            "spark.sql.warehouse.dir": self.home / "warehouse",
        }
        settings = [f"--conf={key}={value}" for key, value in (SETTINGS | own).items()]
        server = "org.apache.spark.sql.connect.service.SparkConnectServer"
        submit = "org.apache.spark.deploy.SparkSubmit"
        return [submit, *settings, "--class", server, "spark-internal"]

    def _environment(self) -> dict[str, str]:
        """Return its variables: no SPARK_HOME, with which Python workers import a zip file.

        Python would compile what is in it at each start.
        """
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        return kept | {
            "SPARK_LOCAL_IP": LOOPBACK,
            "PYSPARK_PYTHON": sys.executable,
            "TMPDIR": str(self.home / "tmp"),
        }

    def _ask(self) -> None:
        with grpc.insecure_channel(f"{LOOPBACK}:{self.port}") as channel:
            request = AnalyzePlanRequest(session_id="00112233-4455-6677-8899-aabbccddeeff")
            request.spark_version.SetInParent()
            try:
                SparkConnectServiceStub(channel).AnalyzePlan(request, timeout=2)
            except grpc.RpcError as error:
                raise NotReady from error


def aot_cache() -> Path:
    """Return where the ahead-of-time cache of this Spark lies."""
    return aot.cache_for(f"spark-{VERSION}", JVM_OPTIONS)


def _java(temporary: Path, *options: str) -> list[str]:
    shipped = sorted((SPARK_HOME / "jars").glob("*.jar"))
    path = os.pathsep.join(str(jar) for jar in [*shipped, *jars.jars("spark")])
    own = [*options, f"-Djava.io.tmpdir={temporary}"]
    return [str(java()), *JVM_OPTIONS, *own, "-cp", path]
