"""A dataflow's state, read from the recovery store that Bytewax keeps it in.

The store is a folder of SQLite files. Their table ``snaps`` holds, for each step and key, the
pickled state as of the end of an epoch; no state is left where ``ser_change`` is null.
"""

import pickle
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from streamgym.checks import topics
from streamgym.tours.orders import Event
from streamgym.tours.waiting import wait_until

KEPT, DUE = "#3b7dd8", "#dddddd"
NEWEST = """
    select step_id, state_key, max(snap_epoch), ser_change from snaps
    group by step_id, state_key order by step_id, state_key
"""


@dataclass(frozen=True)
class Snapshot:
    """The state of one step for one key, as of the end of an epoch."""

    step: str
    key: str
    epoch: int
    value: Any


def snapshots(store: Path) -> list[Snapshot]:
    """Return the newest state of each step and key; a step has the name that its flow gives it."""
    found = []
    for path in sorted(store.glob("*.sqlite3")):
        with closing(sqlite3.connect(path)) as database:
            found += database.execute(NEWEST).fetchall()
    return [
        Snapshot(step.split(".")[1], key, epoch, pickle.loads(change))
        for step, key, epoch, change in found
        if change is not None
    ]


def forget(store: Path, step: str) -> None:
    """Delete the state of a step, and leave that of all others."""
    for path in store.glob("*.sqlite3"):
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("delete from snaps where step_id like ?", [f"%.{step}.%"])


def wait_for(servers: str, topic: str, orders: Iterable[Event]) -> None:
    """Wait until a topic holds a total that holds each of these orders.

    Raises:
        StreamgymError: it does not in time.
    """
    wanted = {order["order_id"] for order in orders}
    wait_until(
        lambda: wanted <= {row["order"] for row in topics.read(servers, topic)},
        f"{len(wanted)} orders are in the totals",
    )


def last_totals(servers: str, topic: str) -> dict[str, int]:
    """Return the newest total of each key of a topic."""
    return {str(r.key): r.value["total"] for r in topics.records(servers, topic)}


def table(found: list[Snapshot]) -> pd.DataFrame:
    """Return for each step how many keys it remembers, and one of them with what it remembers."""
    frame = pd.DataFrame([vars(each) for each in found])
    groups = frame.groupby("step", sort=False)
    said = groups["value"].first().map(lambda value: f"{value!s:.46}…")
    return pd.DataFrame(
        {"keys": groups.size(), "for example": groups["key"].first(), "state": said}
    )


def bars(heights: Mapping[int, int], xlabel: str, ylabel: str) -> None:
    """Draw a bar for each number."""
    _figure, axes = plt.subplots(figsize=(9, 2.2), layout="constrained")
    axes.bar(list(heights), list(heights.values()), color=KEPT)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    plt.show()


def draw(due: Mapping[str, int], **runs: Mapping[str, int]) -> None:
    """Draw what each run says that sellers have sold, in euros, over what is due."""
    sellers = sorted(due, key=lambda seller: -due[seller])
    _figure, columns = plt.subplots(
        1, len(runs), figsize=(9, 3), sharey=True, squeeze=False, layout="constrained"
    )
    for axes, (name, totals) in zip(columns[0], runs.items(), strict=True):
        axes.bar(sellers, [due[s] / 100 for s in sellers], color=DUE, label="due")
        said = [totals.get(s, 0) / 100 for s in sellers]
        axes.bar(sellers, said, color=KEPT, width=0.5, label="total")
        axes.set(title=name.replace("_", " "), xlabel="seller")
        axes.tick_params(labelsize=8)
    columns[0][0].set_ylabel("sold (euros)")
    columns[0][-1].legend()
    plt.show()
