"""Spark queries as data: a query crosses to the checking side as a Connect ``Relation`` message.

The checking side runs the query in a session of its own, so what it measures cannot be forged.
A relation holds no code that this process would run: Python functions in it stay bytes, which
only Spark's own Python workers unpickle.
"""

import json
import uuid
from dataclasses import dataclass
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql.connect.dataframe import DataFrame
from pyspark.sql.connect.plan import LogicalPlan
from pyspark.sql.connect.proto.relations_pb2 import Relation
from pyspark.sql.connect.session import SparkSession
from pyspark.sql.connect.streaming.query import StreamingQuery

from streamgym.checks.answers import Raised, Ungradable


class _Received(LogicalPlan):
    """A query that came as a message."""

    def __init__(self, message: bytes) -> None:
        super().__init__(None)
        self.relation: Relation = Relation.FromString(message)
        self.relation.common.plan_id = self._plan_id  # by which frame["column"] refers to it

    def plan(self, session: Any) -> Relation:
        return self.relation


def to_message(frame: DataFrame) -> bytes:
    """Return the query of a DataFrame as a serialized ``Relation``."""
    plan = frame._plan
    message: bytes = plan.plan(frame.sparkSession.client).SerializeToString()
    return message


def to_frame(message: bytes, spark: SparkSession) -> DataFrame:
    """Return a DataFrame of this session for a serialized ``Relation``."""
    return DataFrame(_Received(message), spark)


@dataclass(frozen=True)
class Streamed:
    """What a streaming query gave: its rows, and for each micro-batch its progress report."""

    rows: list[dict[str, Any]]
    progress: list[dict[str, Any]]

    @property
    def state_rows(self) -> int:
        """Rows still held in the query's state when it ended."""
        operators = self.progress[-1].get("stateOperators", []) if self.progress else []
        return sum(operator["numRowsTotal"] for operator in operators)


def stream(
    message: bytes, spark: SparkSession, *, output_mode: str = "append", seconds: float = 90
) -> Streamed | Raised:
    """Run a streaming query over everything its source has now, and return what came out.

    Raises:
        Ungradable: it did not end within ``seconds``.
    """
    name = f"q{uuid.uuid4().hex}"
    try:
        writer = to_frame(message, spark).writeStream.format("memory").queryName(name)
        query = writer.outputMode(output_mode).trigger(availableNow=True).start()
        await_end(query, seconds)
        rows = [row.asDict(recursive=True) for row in spark.table(name).collect()]
        return Streamed(rows, progress(query))
    except PySparkException as error:
        return Raised(first_line(error))


def await_end(query: StreamingQuery, seconds: float) -> None:
    """Wait for a streaming query's end, and stop it.

    Raises:
        Ungradable: it did not end within ``seconds``.
        PySparkException: it failed.
    """
    try:
        if not query.awaitTermination(int(seconds)):
            raise Ungradable(f"the streaming query did not end within {seconds:.0f} s")
    finally:
        query.stop()


def progress(query: StreamingQuery) -> list[dict[str, Any]]:
    """Return a streaming query's report of each micro-batch, as plain data."""
    return [json.loads(_as_json(report)) for report in query.recentProgress]


def first_line(error: Exception) -> str:
    """Return the first line of a Spark error, which says what was wrong."""
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:300]}"


def _as_json(report: Any) -> str:
    return report.json if hasattr(report, "json") else json.dumps(report)
