"""Spark sessions by address."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

_sessions: dict[str, Any] = {}


def spark_session(remote: str) -> "SparkSession":
    """Return this process's session on a Spark Connect server, the same at every call.

    ``pyspark.sql.functions`` then makes columns for Spark Connect.
    """
    from pyspark.sql import SparkSession

    if remote not in _sessions or _sessions[remote].is_stopped:
        os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
        _sessions[remote] = SparkSession.builder.remote(remote).create()
    return _sessions[remote]


def close_session(remote: str) -> None:
    """End the session on a server, if there is one; to be called before the server ends."""
    session = _sessions.pop(remote, None)
    if session is not None:
        session.stop()
