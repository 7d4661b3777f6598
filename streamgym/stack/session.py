"""Spark sessions by address."""

import os
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

_sessions: dict[str, Any] = {}


def spark_session(remote: str) -> "SparkSession":
    """Return this process's session on a Spark Connect server, the same at every call.

    ``pyspark.sql.functions`` then makes columns for Spark Connect.
    """
    from pyspark.sql import SparkSession as Classic

    session: Any = _sessions.get(remote)
    if session is None or session.is_stopped:
        os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
        _quiet()
        session = _sessions[remote] = Classic.builder.remote(remote).create()
    return cast("SparkSession", session)


def _quiet() -> None:
    """Keep pages of JSON about each query that Spark refuses off the learner's notebook."""
    from pyspark.logger import PySparkLogger

    for name in ("DataFrameQueryContextLogger", "SQLQueryContextLogger"):
        PySparkLogger.getLogger(name).disabled = True


def close_session(remote: str) -> None:
    """End the session on a server, if there is one; to be called before the server ends."""
    session = _sessions.pop(remote, None)
    if session is not None:
        session.stop()
