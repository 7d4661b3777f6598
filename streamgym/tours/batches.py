"""Batch jobs that are started by a schedule, by a file or by a person, and when each ran."""

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import psycopg
import pyarrow as pa

from streamgym.checks import databases
from streamgym.data.ekart import Ekart
from streamgym.faults.process import Process
from streamgym.lab.scripts import workspace
from streamgym.tours.nightly import FIRST, SECONDS, Warehouse
from streamgym.tours.waiting import wait_until

SCHEMA = """
CREATE TABLE orders (
    id bigint PRIMARY KEY, seller_id bigint NOT NULL, amount numeric(12, 2) NOT NULL,
    status text NOT NULL, placed_at timestamptz NOT NULL, updated_at timestamptz NOT NULL);
CREATE TABLE daily_sales (day date PRIMARY KEY, orders bigint NOT NULL, amount numeric NOT NULL);
CREATE TABLE files (name text PRIMARY KEY, lines bigint NOT NULL);
CREATE TABLE runs (how text NOT NULL, day date, at double precision NOT NULL);
CREATE TABLE clock (one int PRIMARY KEY, began double precision NOT NULL);
"""
COLOURS = {"scheduled": "#3b7dd8", "triggered": "#e08a00", "on demand": "#8e5bbf"}


def orders(seed: int, scale: float) -> pa.Table:
    """Return the orders of the shop's month: ``scale`` 1 makes 1,000."""
    shop = Ekart(seed, scale)
    parts = [shop.tables(batch)["orders"] for batch in shop.order_batches()]
    kept = pa.concat_tables(parts).select(["id", "seller_id", "amount", "status", "placed_at"])
    return kept.append_column("updated_at", kept["placed_at"])


def database(server: str, rows: pa.Table) -> str:
    """Create a database with these orders in it, and return its URL."""
    url = databases.create(server, SCHEMA)
    with psycopg.connect(url) as db, db.cursor().copy("COPY orders FROM STDIN") as copy:
        for row in zip(*rows.to_pydict().values(), strict=True):
            copy.write_row(row)
    return url


@dataclass
class Jobs:
    """Jobs that run as processes of their own, over one warehouse, until :meth:`close`.

    Attributes:
        url: of the database.
        landing: a folder into which files fall; the jobs find it as LANDING.
    """

    url: str
    landing: Path = field(init=False)
    _running: ExitStack = field(default_factory=ExitStack, repr=False)
    _down: list[tuple[float, float]] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self.landing = Path(self._running.enter_context(TemporaryDirectory()))

    @property
    def warehouse(self) -> Warehouse:
        """What the jobs load into."""
        return Warehouse(self.url)

    def start(self, script: str) -> Process:
        """Start a job that waits for its time; it ends when these jobs are closed."""
        place = self._running.enter_context(workspace(script))
        return place.start({"DATABASE_URL": self.url, "LANDING": str(self.landing)})

    def wait_for_runs(self, number: int) -> None:
        """Wait until the schedule has started so many runs more.

        Raises:
            StreamgymError: it takes too long.
        """
        already = len(self._runs("scheduled"))
        wait_until(lambda: len(self._runs("scheduled")) >= already + number, f"{number} runs more")

    def miss(self, nights: int, process: Process) -> None:
        """Kill a job as SIGKILL does, and let so many nights pass without it.

        Raises:
            StreamgymError: they do not pass.
        """
        process.kill()
        killed, until = time.time(), self.warehouse.nights() + nights
        wait_until(lambda: self.warehouse.nights() >= until, f"{nights} nights pass")
        self._down.append((killed, time.time()))

    def close(self) -> None:
        """End all jobs."""
        self._running.close()

    def draw(self) -> None:
        """Draw each run at its time, a row for each way to start one, with the days it loaded."""
        _figure, axes = plt.subplots(figsize=(9, 2.6), layout="constrained")
        began = self.warehouse.began()
        for span in self._down:
            begin, end = ((at - began) / SECONDS for at in span)
            axes.axvspan(begin, end, color="#eeeeee")
            axes.text(begin, -0.55, " killed", fontsize=8, va="center")
        for row, (how, colour) in enumerate(COLOURS.items()):
            for at, label in _together(self._runs(how), began):
                axes.plot(at, row, "|", color=colour, markersize=20, markeredgewidth=3)
                axes.text(at, row + 0.42, label, fontsize=8, ha="center", va="center")
        axes.set_yticks(range(len(COLOURS)), list(COLOURS))
        axes.set(ylim=(2.7, -0.8), xlabel="days of the shop (below each run: what it loaded)")
        plt.show()

    def _runs(self, how: str) -> list[tuple[float, str]]:
        """Return when a job ran, since 1970, and the number of the day that it loaded."""
        found = databases.rows(self.url, "SELECT * FROM runs WHERE how = %s ORDER BY at", [how])
        return [(r["at"], str((r["day"] - FIRST).days) if r["day"] else "file") for r in found]


def _together(runs: list[tuple[float, str]], began: float) -> list[tuple[float, str]]:
    """Return runs in days since it began; those that follow each other at once are one."""
    found: list[tuple[float, str]] = []
    for at, label in runs:
        day = (at - began) / SECONDS
        if found and day - found[-1][0] < 0.2:
            found[-1] = day, f"{found[-1][1]}, {label}"
        else:
            found.append((day, label))
    return found
