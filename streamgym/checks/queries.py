"""Streaming queries with their sinks as data: what a DataStreamWriter would start, as a message.

The checking side starts the query in a session of its own. A Python function for ``foreachBatch``
stays bytes here; only Spark's own Python workers unpickle it.
"""

import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import urlsplit

from pyspark.errors import PySparkException
from pyspark.sql.connect.proto.commands_pb2 import Command, WriteStreamOperationStart
from pyspark.sql.connect.session import SparkSession
from pyspark.sql.connect.streaming.query import StreamingQuery
from pyspark.sql.connect.streaming.readwriter import DataStreamWriter

from streamgym.checks.answers import Raised, Ungradable
from streamgym.checks.case import PROXIES, Case, World
from streamgym.checks.crashes import Hint, expectations
from streamgym.checks.expect import Expectations
from streamgym.checks.plans import await_end, first_line, progress
from streamgym.faults.actions import KillClient, Rule
from streamgym.faults.process import Run
from streamgym.faults.proxy import Proxy
from streamgym.faults.sweep import LANE, Broken, Point, Sweep, Trial, points

SECONDS = 90.0
"""How long a query may take to its end."""

NO_WORKER = "Python worker failed to connect back"
"""What Spark says when a Python worker is not up within 10 s: the machine is busy."""


STARTING = BoundedSemaphore(3)
"""So many queries run at a time, that their Python workers are up in these 10 s."""


def to_message(writer: DataStreamWriter) -> bytes:
    """Return what a writer would start as a serialized ``WriteStreamOperationStart``."""
    command = writer._write_stream.command(writer._session.client)
    message: bytes = command.write_stream_operation_start.SerializeToString()
    return message


@dataclass(frozen=True)
class Settings:
    """How a query is to be started: its trigger, output mode, sink and options.

    ``trigger`` is such as ``availableNow``, ``once`` or ``processingTime 10 seconds``; empty for
    the default.
    """

    trigger: str
    output_mode: str
    format: str
    options: Mapping[str, str]


def settings(message: bytes) -> Settings:
    """Return the settings of a query."""
    start = WriteStreamOperationStart.FromString(message)
    return Settings(_trigger(start), start.output_mode, start.format, dict(start.options))


def _trigger(start: WriteStreamOperationStart) -> str:
    names = {
        "available_now": "availableNow",
        "once": "once",
        "processing_time_interval": "processingTime",
        "continuous_checkpoint_interval": "continuous",
    }
    kind = start.WhichOneof("trigger")
    if kind is None:
        return ""
    value = getattr(start, kind)
    return names[kind] if value is True else f"{names[kind]} {value}"


@dataclass(frozen=True)
class Ended:
    """How a query ended: its error, if it failed, and the progress report of each micro-batch."""

    error: str
    progress: list[dict[str, Any]]


def run(message: bytes, spark: SparkSession, seconds: float = SECONDS) -> Ended:
    """Run a query over everything its sources have now, whatever its trigger, to its end.

    Raises:
        Ungradable: it did not end within ``seconds``, or its Python worker did not start.
    """
    start = WriteStreamOperationStart.FromString(message)
    start.available_now = True
    with STARTING:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                return _ended(_started(start, spark), seconds)
            except PySparkException as error:
                if NO_WORKER not in str(error):
                    return Ended(first_line(error), [])
    raise Ungradable("Spark could not start a Python worker in time")


def _started(start: WriteStreamOperationStart, spark: SparkSession) -> StreamingQuery:
    command = Command(write_stream_operation_start=start)
    _, properties, _ = spark.client.execute_command(command)
    result = properties["write_stream_operation_start_result"]
    return StreamingQuery(spark, result.query_id.id, result.query_id.run_id, result.name or None)


def _ended(query: StreamingQuery, seconds: float) -> Ended:
    error = ""
    try:
        await_end(query, seconds)
    except PySparkException as failure:
        error = first_line(failure)
    return Ended(error, progress(query))


def new_folder(spark: SparkSession) -> Path:
    """Return a folder of its own for a query's checkpoints and files, which is not there yet.

    It lies in the Spark server's home, which a sandboxed server can write to.
    """
    warehouse = urlsplit(str(spark.conf.get("spark.sql.warehouse.dir"))).path
    return Path(warehouse).parent / f"case-{uuid.uuid4().hex[:12]}"


@contextmanager
def folder(spark: SparkSession) -> Iterator[Path]:
    """Give a :func:`new_folder`, and remove it at the end."""
    here = new_folder(spark)
    try:
        yield here
    finally:
        shutil.rmtree(here, ignore_errors=True)


Prepare = Callable[[], tuple[str, Callable[[str], bytes | Raised], Callable[[], Broken]]]


def survives(
    case: Case,
    prepare: Prepare,
    hints: Mapping[str, Hint],
    seconds: float = SECONDS,
) -> Expectations:
    """Expect properties of a query's run, and the same after its sink was killed in a batch.

    The sink writes to a database, and is killed, by SIGKILL, at points of its own run: between
    ``offsets/N`` and ``commits/N`` of the checkpoint. Then the query is started again. Before its
    first durable request a sink has done nothing: Spark runs the batch again, as if for the first
    time. So that is no point to try, and would cost five seconds.

    Args:
        case: whose systems it runs on.
        prepare: makes a fresh database for one run; returns its URL, a function that gives the
            query's message for the URL to use, and what says for each property what breaks it.
        hints: for each of these properties the hint that it earns when it is broken.
        seconds: how long the query may take to its end.
    """

    url, message_for, judge = prepare()
    clean = run_once(case.world, url, message_for, judge=judge, seconds=seconds)
    crashes: list[Trial] = []
    if not clean.run.returncode and not any(clean.broken.values()):
        every = points(clean.trace.durable(LANE), case.rng, keeps_files=False)
        found = [point for point in every if point.when == "after"]
        while some := found[len(crashes) : len(crashes) + PROXIES]:
            crashes += _killed(case.world, some, prepare, seconds)
            case.progress(f"killed at {len(crashes)} of {len(found)} points of its run")
    yield from expectations(Sweep(clean, crashes), hints, "query")


def _killed(world: World, some: list[Point], prepare: Prepare, seconds: float) -> list[Trial]:
    """Run a query once for each of these points, at the same time."""
    spark = world.spark()
    with ExitStack() as stack, ThreadPoolExecutor(PROXIES) as pool:
        begun = []
        for point, port in zip(some, world.proxy_ports(), strict=False):
            url, message_for, judge = prepare()
            proxy = stack.enter_context(Proxy(port=port))
            message = message_for(proxy.address(url, LANE))
            begun.append(pool.submit(_trial, proxy, message, spark, point, judge, seconds))
        return [trial.result() for trial in begun]


def run_once(
    world: World,
    url: str,
    message_for: Callable[[str], bytes | Raised],
    point: Point | None = None,
    judge: Callable[[], Broken] = dict,
    seconds: float = SECONDS,
) -> Trial:
    """Run a query whose sink writes to the database at ``url``, to its end.

    Args:
        world: the systems that it runs on.
        url: the database's.
        message_for: gives the query's message for the URL to use.
        point: where its sink is killed; the query is then started again.
        judge: says for each property what breaks it.
        seconds: how long the query may take to its end.
    """
    with Proxy(port=world.proxy_ports()[0]) as proxy:
        message = message_for(proxy.address(url, LANE))
        return _trial(proxy, message, world.spark(), point, judge, seconds)


def _trial(
    proxy: Proxy,
    message: bytes | Raised,
    spark: SparkSession,
    point: Point | None,
    judge: Callable[[], Broken],
    seconds: float,
) -> Trial:
    """Run a query behind a proxy, and once more when its sink was killed at the point."""
    rule = Rule(point.kind, KillClient(point.when == "after"), point.number) if point else None
    proxy.rules += [rule] if rule else []
    ended = _run(message, spark, seconds)
    reached = bool(rule and rule.times == 0)
    if reached:
        proxy.trace.mark(LANE, "killed")
        proxy.trace.mark(LANE, "started again")
        ended = _run(message, spark, seconds)
    run = Run(int(bool(ended.error)), ended.error)
    return Trial(point, reached, run, judge(), proxy.trace)


def _run(message: bytes | Raised, spark: SparkSession, seconds: float) -> Ended:
    if isinstance(message, Raised):
        return Ended(message.error, [])
    return run(message, spark, seconds)
