"""The systems that a verification runs on, started when they are first needed."""

import os
from contextlib import ExitStack
from threading import Lock
from typing import TYPE_CHECKING, Self

from streamgym.checks.case import PROXIES
from streamgym.stack.kafka import Kafka
from streamgym.stack.postgres import Postgres
from streamgym.stack.prepare import prepare
from streamgym.stack.session import close_session, spark_session
from streamgym.stack.shared import ELSEWHERE
from streamgym.stack.spark import Spark

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession


class OwnWorld:
    """A broker, a Spark and a Postgres of its own, or those that the environment names."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._one_at_a_time = Lock()

    def kafka(self) -> str:
        """Return the broker's bootstrap servers."""
        with self._one_at_a_time:
            if ELSEWHERE["kafka"] not in os.environ:
                prepare()
                self._announce("kafka", self._stack.enter_context(Kafka()).address)
        return os.environ[ELSEWHERE["kafka"]]

    def spark(self) -> "SparkSession":
        """Return a session on the Spark Connect server."""
        with self._one_at_a_time:
            if ELSEWHERE["spark"] not in os.environ:
                self._announce("spark", self._stack.enter_context(Spark()).address)
            remote = os.environ[ELSEWHERE["spark"]]
            self._stack.callback(close_session, remote)
            return spark_session(remote)

    def postgres(self) -> str:
        """Return the URL of a database whose role may create others."""
        with self._one_at_a_time:
            if ELSEWHERE["postgres"] not in os.environ:
                self._announce("postgres", self._stack.enter_context(Postgres()).address)
        return os.environ[ELSEWHERE["postgres"]]

    def proxy_ports(self) -> list[int]:
        """Return zeros: this Spark can reach every port."""
        return [0] * PROXIES

    def _announce(self, name: str, address: str) -> None:
        """Make the answers, which run in this process or below it, use the same server."""
        os.environ[ELSEWHERE[name]] = address
        self._stack.callback(os.environ.pop, ELSEWHERE[name], None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
