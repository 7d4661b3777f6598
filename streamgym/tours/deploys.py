"""A new version of a service is deployed: the old one gets SIGTERM in the middle of its work."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from streamgym.checks import databases, topics
from streamgym.faults.process import finish
from streamgym.lab.scripts import workspace
from streamgym.tours.waiting import wait_until

SCHEMA = """
CREATE TABLE bookings (
    order_id int, process int, at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""
BOOKINGS = "SELECT order_id, process, extract(epoch FROM at)::float AS at FROM bookings ORDER BY at"
WAITING, BOOKED, LATER = 80, 20, 20
"""Orders that wait for the old version, how many it has booked when it is asked to stop, and how
many come after that."""

SECONDS = 30.0
COLOURS = ("#3b7dd8", "#e08a00")
STOP = "#d1433f"


@dataclass(frozen=True)
class Deploy:
    """What the old version and the new one have booked.

    Attributes:
        bookings: *order_id*, *process* and *at* (seconds since 1970) of each, in time.
        asked: when the old version was asked to stop, in seconds since 1970.
        orders: how many there were, with numbers from 1.
    """

    bookings: pd.DataFrame
    asked: float
    orders: int = WAITING + LATER

    @property
    def twice(self) -> int:
        """How many orders were booked more than once."""
        return int((self.bookings["order_id"].value_counts() > 1).sum())

    @property
    def never(self) -> int:
        """How many orders were not booked."""
        return self.orders - self.bookings["order_id"].nunique()


def deploy(servers: str, database: str, script: str) -> Deploy:
    """Let a service work, ask it to stop, start it anew, and return what was booked.

    Args:
        servers: the broker's bootstrap servers.
        database: the URL of a database, whose role may create others.
        script: the service, with a :class:`streamgym.tours.billing.Billing`.

    Raises:
        StreamgymError: it does not do its work in time.
        Ungradable: it does not stop in time.
    """
    topic, url = topics.create(servers), databases.create(database, SCHEMA)
    env = {"BROKERS": servers, "TOPIC": topic, "DATABASE_URL": url}
    _order(servers, topic, range(1, WAITING + 1))
    with workspace(script) as place:
        old = place.start(env)
        wait_until(lambda: len(databases.rows(url, BOOKINGS)) >= BOOKED, "some are booked")
        asked = _ask_to_stop(place.folder)
        _order(servers, topic, range(WAITING + 1, WAITING + LATER + 1))
        finish(old, SECONDS)
        topics.remove_members(servers, [topic])  # the dead would be waited for
        place.start(env)
        done = {(topic, 0): WAITING + LATER}
        wait_until(lambda: topics.committed(servers, topic) == done, "all orders are done")
    bookings = pd.DataFrame(databases.rows(url, BOOKINGS))
    topics.delete(servers, [topic])
    databases.drop(database, url)
    return Deploy(bookings, asked)


def _order(servers: str, topic: str, numbers: range) -> None:
    topics.produce(servers, topic, [{"order": number} for number in numbers], key="")


def _ask_to_stop(folder: Path) -> float:
    os.kill(int((folder / "pid").read_text()), signal.SIGTERM)
    return time.time()


def draw(**deploys: Deploy) -> None:
    """Draw each booking over time, a picture a deploy; colours tell the old process and the new."""
    _figure, columns = plt.subplots(
        1, len(deploys), figsize=(9, 3.2), sharey=True, squeeze=False, layout="constrained"
    )
    for axes, (name, each) in zip(columns[0], deploys.items(), strict=True):
        _bookings(axes, each)
        axes.set(title=f"{name}: {each.twice} twice, {each.never} never", xlabel="seconds")
    columns[0][0].set(ylabel="order")
    columns[0][0].legend(frameon=False, loc="lower right", fontsize=8)
    plt.show()


def _bookings(axes: Axes, each: Deploy) -> None:
    began = each.bookings["at"].min()
    processes = each.bookings["process"].unique()
    for process, name, colour in zip(processes, ("old", "new"), COLOURS, strict=False):
        rows = each.bookings[each.bookings["process"] == process]
        axes.plot(rows["at"] - began, rows["order_id"], ".", color=colour, label=name)
    axes.axvline(each.asked - began, color=STOP, linestyle=":", label="SIGTERM")
