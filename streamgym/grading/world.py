"""The systems that one submission is graded on: started for it alone, and thrown away after it."""

import signal
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread
from types import TracebackType
from typing import TYPE_CHECKING, Self

from streamgym.checks.case import PROXIES
from streamgym.checks.limits import Limits
from streamgym.errors import StreamgymError
from streamgym.faults.process import Workspace
from streamgym.grading import usage
from streamgym.grading.box import Box
from streamgym.grading.broker import GuardedKafka
from streamgym.grading.kernel import Kernel
from streamgym.grading.policy import DEFAULTS
from streamgym.grading.spark import SandboxedSpark, distrust_answers, fail_soon
from streamgym.grading.workspace import BoxedWorkspace, addresses
from streamgym.stack.folder import GuardedFolder
from streamgym.stack.ports import LOOPBACK, free_port
from streamgym.stack.postgres import Postgres
from streamgym.stack.server import Server
from streamgym.stack.session import close_session, spark_session
from streamgym.stack.spark import Spark

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

LOOK_SECONDS = 1.0
"""How often to look what a submission uses."""


class GradingWorld:
    """A broker, what else is needed, and the kernels and workers of one submission.

    Args:
        systems: what the notebook can reach, and is started with it: ``kafka``, ``spark`` (a Spark
            Connect server), ``postgres``. Others are started when a check asks for them.
        sandboxed: False runs the submission's code without protection.
        limits: what the submission may use.
    """

    def __init__(
        self,
        systems: Collection[str] = (),
        *,
        sandboxed: bool = True,
        limits: Limits = DEFAULTS,
    ) -> None:
        self._systems = systems
        self.sandboxed = sandboxed
        self.limits = limits
        self._stack = ExitStack()
        self._kafka: GuardedKafka | None = None
        self._spark: Spark | None = None
        self._postgres: Postgres | None = None
        self._spark_started: Future[None] = Future()
        self._boxes: list[Box] = []
        self._abandoned = False
        self._overfull = ""
        self._closing = Event()
        self._ready: list[Kernel] = []
        self._proxy_ports: list[int] = []
        self._one_at_a_time = Lock()

    def start(self) -> Self:
        """Start everything, a first kernel too; Spark goes on starting while cells are run.

        Raises:
            StreamgymError: a system did not start.
            KernelLost: the kernel did not start.
        """
        try:
            if "kafka" in self._systems:
                self.kafka()
            if "postgres" in self._systems:
                self.postgres()
            if "spark" in self._systems:
                self._begin_spark()
            self._ready.append(self._new_kernel())
            self._stack.enter_context(self._watched())
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """End everything; nothing of it is left."""
        self._stack.close()

    def abandon(self) -> None:
        """Make whoever grades in this world fail soon; may be called from another thread."""
        self._abandoned = True
        for box in list(self._boxes):
            box.interrupt(signal.SIGKILL)
        if self._spark and self._spark.started:
            self._spark.kept.interrupt(signal.SIGKILL)

    def lost(self) -> str:
        """Return which system has ended by itself, or did not start, if one has."""
        if self._spark and (error := self._spark_started.exception()):
            return str(error)
        if self._overfull:
            return self._overfull
        servers: list[Server | None] = [self._kafka, self._spark, self._postgres]
        return next((f"{s.name} was lost" for s in servers if s and not s.kept.alive()), "")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def kafka(self) -> str:
        """Return the bootstrap servers of the broker."""
        with self._one_at_a_time:
            if self._kafka is None:
                self._kafka = self._stack.enter_context(GuardedKafka())
        return self._kafka.bootstrap_servers

    def spark(self) -> "SparkSession":
        """Return the checking side's own session."""
        if self._spark is None:
            self.kafka()
            self._begin_spark()
        assert self._spark
        self._spark_started.result()
        return spark_session(self._spark.remote)

    def postgres(self) -> str:
        """Return the URL of a database whose role may create others."""
        with self._one_at_a_time:
            if self._postgres is None:
                self._postgres = self._stack.enter_context(Postgres())
        return self._postgres.address

    def proxy_ports(self) -> list[int]:
        """Return the ports at which Spark can reach fault proxies."""
        return [free_port(port) for port in self._proxy_ports]

    def kernel(self) -> Kernel:
        """Return a kernel that has run nothing yet."""
        return self._ready.pop() if self._ready else self._new_kernel()

    @contextmanager
    def workspace(self, script: str) -> Iterator[Workspace]:
        """Give a worker's text a box, in which it can be started again and again."""
        with GuardedFolder() as folder:
            here = BoxedWorkspace(
                script, self._variables(), lambda env: self._box(env, folder.path)
            )
            try:
                yield here
            finally:
                here.close()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Look every second whether something uses more than it may."""
        watcher = Thread(target=self._watch)
        watcher.start()
        try:
            yield
        finally:
            self._closing.set()
            watcher.join()

    def _watch(self) -> None:
        while not self._closing.wait(LOOK_SECONDS):
            for box in list(self._boxes):
                box.look()
            if self._spark and self._spark.started:
                self._look_at(self._spark)

    def _look_at(self, spark: Spark) -> None:
        """Kill Spark when queries, and Python functions in them, use more than they may."""
        if excess := usage.excess(self.limits, spark.kept.keeper.process(), [spark.home]):
            self._overfull = f"its queries {excess}"
            with suppress(ProcessLookupError):
                spark.kept.interrupt(signal.SIGKILL)

    def _new_kernel(self) -> Kernel:
        variables = self._variables()
        kernel = Kernel(self._box(variables), variables)
        self._stack.callback(kernel.stop)
        return kernel

    def _new_spark(self) -> Spark:
        if not self.sandboxed:
            return Spark(port=free_port())
        proxies = [f"{LOOPBACK}:{port}" for port in self._proxy_ports]
        return SandboxedSpark([*addresses(self._variables()), *proxies])

    def _begin_spark(self) -> None:
        self._proxy_ports = [free_port() for _ in range(PROXIES)]
        self._spark = self._new_spark()
        aside = self._stack.enter_context(ThreadPoolExecutor(1))
        self._spark_started = aside.submit(self._start_spark, self._spark)

    def _start_spark(self, spark: Spark) -> None:
        self._stack.enter_context(spark)
        self._stack.callback(close_session, spark.remote)
        distrust_answers()
        fail_soon(spark_session(spark.remote))

    def _box(self, variables: Mapping[str, str], within: Path | None = None) -> Box:
        if self._abandoned:
            raise StreamgymError("grading was stopped")
        filled = [server.home for server in (self._kafka, self._postgres) if server]
        box = Box(addresses(variables), self.sandboxed, filled, within, self.limits)
        self._stack.callback(box.stop)
        self._boxes.append(box)
        return box

    def _variables(self) -> dict[str, str]:
        variables = {}
        if self._kafka:
            variables["KAFKA_BOOTSTRAP_SERVERS"] = self._kafka.bootstrap_servers
        if self._spark:
            variables["SPARK_REMOTE"] = self._spark.remote
        if self._postgres:
            variables["DATABASE_URL"] = self._postgres.address
        return variables
