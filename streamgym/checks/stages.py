"""A Spark query run by the checking side, with what Spark's REST interface says of its tasks.

Each run has a session of its own, so that its settings do not reach another query. Records decide
marks, because they are the same at every run; times are for pictures.
"""

import re
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

import httpx
from pyspark.errors import PySparkException
from pyspark.sql.connect.dataframe import DataFrame
from pyspark.sql.connect.session import SparkSession
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from streamgym.checks.answers import Raised, Ungradable
from streamgym.checks.plans import first_line, to_frame

SECONDS = 60.0
"""How long a query may take, and then Spark until it has told all about it."""

MOST_ROWS = 200_000
"""More rows than this are not read: no query of a lab has so many."""

FEW = 100
"""A stage that reads fewer records than this is not skewed, whatever its shares."""


@dataclass(frozen=True)
class Task:
    """What one task did: records read from a shuffle and from files, written to either."""

    shuffle_read: int = 0
    input: int = 0
    shuffle_written: int = 0
    output: int = 0
    milliseconds: int = 0

    @property
    def read(self) -> int:
        """All records that it read."""
        return self.shuffle_read + self.input


@dataclass(frozen=True)
class Stage:
    """The tasks of one stage, by partition."""

    number: int
    tasks: tuple[Task, ...]

    @property
    def shuffle_read(self) -> int:
        """Records that it read from shuffles."""
        return sum(task.shuffle_read for task in self.tasks)

    @property
    def share(self) -> float:
        """The largest task's share of the records that the stage read."""
        total = sum(task.read for task in self.tasks)
        return max(task.read for task in self.tasks) / total if total else 0.0


@dataclass(frozen=True)
class Node:
    """One operator of the query's plan, with those of its metrics that are plain numbers."""

    name: str
    metrics: Mapping[str, int]


@dataclass(frozen=True)
class Measured:
    """What a query gave, and what Spark measured while it ran."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    stages: tuple[Stage, ...] = ()
    nodes: tuple[Node, ...] = ()

    @property
    def skewed(self) -> Stage:
        """The stage after a shuffle whose largest task has the largest share of its records."""
        after = [stage for stage in self.stages if stage.shuffle_read >= FEW]
        return max(after, key=lambda s: (s.share, s.shuffle_read), default=Stage(0, ()))

    @property
    def largest_share(self) -> float:
        """That share; 0 when nothing was shuffled."""
        stage = self.skewed
        return stage.share if stage.tasks else 0.0

    @property
    def shuffled(self) -> int:
        """Records that were written to shuffles."""
        return sum(task.shuffle_written for stage in self.stages for task in stage.tasks)

    @property
    def broadcast(self) -> int:
        """Rows that were broadcast."""
        return self._sum("BroadcastExchange", "number of output rows")

    @property
    def joined(self) -> int:
        """Rows that came out of the largest join."""
        joins = (n.metrics.get("number of output rows", 0) for n in self.nodes if "Join" in n.name)
        return max(joins, default=0)

    @property
    def files_read(self) -> int:
        """Files that were opened."""
        return self._sum("Scan", "number of files read")

    def _sum(self, name: str, metric: str) -> int:
        return sum(node.metrics.get(metric, 0) for node in self.nodes if name in node.name)


Settings = Mapping[str, object]
"""Names and values of Spark's configuration."""


def run(
    message: bytes, spark: SparkSession, settings: Settings | None = None, seconds: float = SECONDS
) -> Measured | Raised:
    """Run a query, a ``Relation`` message, with these settings, and measure it.

    Raises:
        Ungradable: it, or what Spark tells about it, did not come within ``seconds``.
    """
    return _measured(message, spark, settings, seconds, _rows)


def write(
    message: bytes,
    spark: SparkSession,
    save: Callable[[DataFrame], None],
    settings: Settings | None = None,
    seconds: float = SECONDS,
) -> Measured | Raised:
    """Run a query whose DataFrame ``save`` writes somewhere, and measure it; gives no rows.

    Raises:
        Ungradable: as for :func:`run`.
    """

    def saved(frame: DataFrame) -> list[dict[str, Any]]:
        save(frame)
        return []

    return _measured(message, spark, settings, seconds, saved)


def _measured(
    message: bytes,
    spark: SparkSession,
    settings: Settings | None,
    seconds: float,
    use: Callable[[DataFrame], list[dict[str, Any]]],
) -> Measured | Raised:
    with _session(spark) as session:
        try:
            for name, value in (settings or {}).items():
                session.conf.set(name, _text(value))
            with _tagged(session, seconds) as tag:
                rows = use(to_frame(message, session))
        except (PySparkException, TooManyRows) as error:
            return Raised(first_line(error))
        with _tagged(session, seconds) as last:
            session.range(1).collect()
        with httpx.Client(timeout=seconds, trust_env=False) as client:
            return Measured(rows, *_Rest(session, client, seconds).told(tag, last))


def _text(value: object) -> str:
    """Return a setting as Spark writes it; Python's True is its true."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class TooManyRows(Exception):
    """A query gives more rows than any lab has."""


def _rows(frame: DataFrame) -> list[dict[str, Any]]:
    rows = []
    for row in frame.toLocalIterator():
        rows.append(row.asDict(recursive=True))
        if len(rows) > MOST_ROWS:
            raise TooManyRows(f"the query gives more than {MOST_ROWS:,} rows")
    return rows


@contextmanager
def _session(spark: SparkSession) -> Iterator[SparkSession]:
    """Open another session on the same server."""
    address = cast("Any", spark.client._builder)  # of a remote Spark it has the token too
    session = SparkSession(address, spark.client._user_id)
    try:
        yield session
    finally:
        session.stop()


@contextmanager
def _tagged(session: SparkSession, seconds: float) -> Iterator[str]:
    """Tag what is run within, and interrupt it at the end of its time."""
    tag = f"run-{uuid.uuid4().hex}"
    over = threading.Event()

    def interrupt() -> None:
        over.set()
        session.interruptTag(tag)

    timer = threading.Timer(seconds, interrupt)
    session.addTag(tag)
    timer.start()
    try:
        yield tag
    except (PySparkException, TooManyRows):
        if over.is_set():
            raise Ungradable(f"the query did not end within {seconds:.0f} s") from None
        session.interruptTag(tag)
        raise
    finally:
        timer.cancel()
        session.removeTag(tag)


class _Rest:
    """Spark's REST interface, where it serves its web pages."""

    def __init__(self, session: SparkSession, client: httpx.Client, seconds: float) -> None:
        host, port, app = (
            session.conf.get(f"spark.{name}") for name in ("driver.host", "ui.port", "app.id")
        )
        self.base = f"http://{host}:{port}/api/v1/applications/{app}"
        self.client = client
        self.seconds = seconds

    def told(self, tag: str, last: str) -> tuple[tuple[Stage, ...], tuple[Node, ...]]:
        """Return the stages and operators of what was tagged, once ``last``, a later job, ended.

        Spark tells of its jobs in the order in which they ended, so all is told by then.
        """
        jobs = [job for job in self._jobs(last) if _has(job, tag)]
        numbers = sorted({number for job in jobs for number in job["stageIds"]})
        stages = [stage for number in numbers if (stage := self._stage(number)).tasks]
        return tuple(stages), tuple(node for job in _executions(jobs) for node in self._nodes(job))

    def _jobs(self, last: str) -> list[dict[str, Any]]:
        def running(jobs: list[dict[str, Any]]) -> bool:
            return not any(_has(job, last) and job["status"] == "SUCCEEDED" for job in jobs)

        retrying = Retrying(
            retry=retry_if_result(running),
            stop=stop_after_delay(self.seconds),
            wait=wait_fixed(0.05),
        )
        try:
            found: list[dict[str, Any]] = retrying(self._get, "jobs")
        except RetryError:
            self._give_up("does not tell of the query's jobs")
        return found

    def _stage(self, number: int) -> Stage:
        attempts = self._get(f"stages/{number}?details=false")
        done = [attempt for attempt in attempts if attempt["status"] == "COMPLETE"]
        if not done:
            return Stage(number, ())
        tasks = self._get(f"stages/{number}/{done[-1]['attemptId']}/taskList?length=100000")
        ended = [task for task in tasks if task["status"] == "SUCCESS"]
        ended.sort(key=lambda task: int(task["index"]))
        return Stage(number, tuple(_task(task) for task in ended))

    def _nodes(self, execution: str) -> list[Node]:
        query = self._get(f"sql/{execution}?details=true&planDescription=false")
        return [Node(node["nodeName"], _numbers(node["metrics"])) for node in query["nodes"]]

    def _get(self, path: str) -> Any:
        try:
            reply = self.client.get(f"{self.base}/{path}")
            reply.raise_for_status()
            return reply.json()
        except (httpx.HTTPError, ValueError) as error:
            self._give_up(f"does not answer ({type(error).__name__})")

    def _give_up(self, why: str) -> NoReturn:
        raise Ungradable(
            f"Spark's REST interface, {self.base}, {why}: the check counts each task's records "
            "there, so Spark's web pages must be reachable from here"
        )


def _has(job: dict[str, Any], tag: str) -> bool:
    return any(str(given).endswith(tag) for given in job["jobTags"])


def _executions(jobs: list[dict[str, Any]]) -> list[str]:
    """Return the numbers of the queries that jobs belong to; Spark notes each as a tag."""
    tags = (str(tag) for job in jobs for tag in job["jobTags"])
    found = {match[1] for tag in tags if (match := re.search(r"-execution-root-id-(\d+)$", tag))}
    return sorted(found, key=int)


def _task(told: dict[str, Any]) -> Task:
    metrics = told["taskMetrics"]
    return Task(
        shuffle_read=metrics["shuffleReadMetrics"]["recordsRead"],
        input=metrics["inputMetrics"]["recordsRead"],
        shuffle_written=metrics["shuffleWriteMetrics"]["recordsWritten"],
        output=metrics["outputMetrics"]["recordsWritten"],
        milliseconds=told["duration"],
    )


def _numbers(metrics: list[dict[str, str]]) -> dict[str, int]:
    plain = {metric["name"]: metric["value"].replace(",", "") for metric in metrics}
    return {name: int(value) for name, value in plain.items() if value.isdecimal()}
