"""Spark in a sandbox: the Python functions in a submission's queries run there."""

from collections.abc import Iterable
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql.connect.client import core
from pyspark.sql.connect.client.retries import DefaultPolicy
from pyspark.sql.connect.session import SparkSession
from pyspark.sql.types import UserDefinedType

from streamgym.grading.policy import spark_policy
from streamgym.stack.ports import LOOPBACK, free_port
from streamgym.stack.spark import Spark

RETRIES = 5
RETRY_MS = 1000
"""How often a call is tried again, and after how long at most."""


class SandboxedSpark(Spark):
    """A Spark Connect server that may connect to itself and to these systems.

    Args:
        systems: the addresses, as host:port, of a broker and others.
    """

    def __init__(self, systems: Iterable[str]) -> None:
        super().__init__(port=free_port())
        self._inner_ports = {
            "spark.driver.port": free_port(),
            "spark.blockManager.port": free_port(),
        }
        # A foreachBatch function asks the Connect server itself for the rows of its batch.
        own = [f"{LOOPBACK}:{port}" for port in (self.port, *self._inner_ports.values())]
        self.sandbox = spark_policy(self.home, [*systems, *own])

    def _submit(self) -> list[str]:
        """Add fixed ports, and unix sockets to Python, whose ports could not be named."""
        main, *rest = super()._submit()
        settings = self._inner_ports | {"spark.python.unix.domain.socket.enabled": "true"}
        return [main, *(f"--conf={name}={value}" for name, value in settings.items()), *rest]


def fail_soon(session: SparkSession) -> None:
    """Let calls fail when a server is lost; by default they are tried again for ten minutes.

    A server's own wish to be asked again later is not listened to: a query may speak for it.
    """
    once_more = DefaultPolicy(
        max_retries=RETRIES, max_backoff=RETRY_MS, recognize_server_retry_delay=False
    )
    session.client.set_retry_policies([once_more])


class Refused(PySparkException):
    """An answer of the server's holds what would run code here."""


def distrust_answers() -> None:
    """Make this process's Spark Connect client take nothing but data from a server.

    PySpark 4.2 unpickles observed metrics of the name ``__python_accumulator__``, and imports the
    module that a user-defined type names. A submission's query can bring both.
    """
    core.pickleSer = _NoPickles()  # type: ignore[attr-defined,assignment]
    UserDefinedType.fromJson = _no_types  # type: ignore[method-assign]


class _NoPickles:
    def loads(self, data: bytes) -> Any:
        raise Refused("the query's observed metrics hold a pickled object")


def _no_types(json: dict[str, Any]) -> Any:
    raise Refused("the query's columns have a user-defined type")
