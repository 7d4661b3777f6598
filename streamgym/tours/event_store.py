"""An event store in Postgres (tour of chapter 8): append-only events, snapshots, and their lag."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import psycopg
from psycopg.rows import dict_row

from streamgym.checks import databases

WRITTEN, READ = "#3b7dd8", "#e08a00"
SCHEMA = """
CREATE TABLE events (
    position bigserial, account text, version int, type text, amount int,
    at timestamptz DEFAULT clock_timestamp(), sent boolean DEFAULT false,
    PRIMARY KEY (account, version)
);
CREATE TABLE snapshots (account text, version int, points int, PRIMARY KEY (account, version));
"""
"""``sent`` is for the relay (:mod:`streamgym.tours.event_relay`); all else is never changed."""

LAST = 2**31 - 1
"""No version is higher."""

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Snapshot:
    """A state as it was after an event: of which version, and the state."""

    version: int = 0
    points: int = 0


@dataclass(frozen=True)
class Store:
    """The tables ``events`` and ``snapshots`` of a database, until :meth:`close`.

    Attributes:
        url: the database's.
    """

    url: str
    _db: "psycopg.Connection[Any]" = field(init=False, repr=False)

    def __post_init__(self) -> None:
        db = psycopg.connect(self.url, autocommit=True, row_factory=dict_row)
        object.__setattr__(self, "_db", db)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def append(self, account: str, version: int, type: str, amount: int) -> None:
        """Append the event of this version, and wake whoever listens to ``events``.

        Raises:
            psycopg.errors.UniqueViolation: the account has an event of this version.
        """
        with self._db.transaction():
            self._db.execute(
                "INSERT INTO events (account, version, type, amount) VALUES (%s, %s, %s, %s)",
                (account, version, type, amount),
            )
            self._db.execute("NOTIFY events")

    def version(self, account: str) -> int:
        """Return the version of an account's newest event; 0 when it has none."""
        query = "SELECT coalesce(max(version), 0) AS newest FROM events WHERE account = %s"
        (found,) = self._db.execute(query, (account,)).fetchall()
        return int(found["newest"])

    def events(self, account: str, after: int = 0, until: int = LAST) -> list[Event]:
        """Return an account's events after one version and up to another, in order."""
        query = """
            SELECT version, type, amount FROM events
            WHERE account = %s AND version > %s AND version <= %s ORDER BY version
        """
        return self._db.execute(query, (account, after, until)).fetchall()

    def keep(self, account: str, snapshot: Snapshot) -> None:
        """Keep a snapshot of an account."""
        values = (account, snapshot.version, snapshot.points)
        self._db.execute("INSERT INTO snapshots VALUES (%s, %s, %s)", values)

    def snapshot(self, account: str, until: int = LAST) -> Snapshot:
        """Return the newest snapshot of an account up to a version, or an empty one."""
        query = """
            SELECT version, points FROM snapshots
            WHERE account = %s AND version <= %s ORDER BY version DESC LIMIT 1
        """
        found = self._db.execute(query, (account, until)).fetchone()
        return Snapshot(**found) if found else Snapshot()


def delays(written: str, shown: str, account: str) -> pd.DataFrame:
    """Return when each event of an account was written, and when the read side showed it.

    Args:
        written: the URL of the database with the table ``events``.
        shown: the URL of the database with the table ``shown``.
        account: whose events.
    """
    query = "SELECT version, at FROM {} WHERE account = %s ORDER BY version"
    sides = {"events": written, "shown": shown}
    times = [
        pd.DataFrame(databases.rows(url, query.format(table), [account])).set_index("version")["at"]
        for table, url in sides.items()
    ]
    return pd.concat(times, axis=1, keys=["written", "shown"])


def draw_reads(read: Mapping[str, Mapping[int, int]]) -> None:
    """Draw how many events were read to know a state, over the account's events until then."""
    _figure, axes = plt.subplots(figsize=(9, 2.6), layout="constrained")
    for (name, counts), colour in zip(read.items(), (READ, WRITTEN), strict=False):
        axes.plot(list(counts), list(counts.values()), ".-", color=colour, label=name)
    axes.set(xlabel="events of the account", ylabel="events read")
    axes.legend(loc="upper left", frameon=False)
    plt.show()


def draw_state(states: Mapping[int, int], snapshots: Sequence[Snapshot]) -> None:
    """Draw a state over its versions, with the snapshots of it."""
    _figure, axes = plt.subplots(figsize=(9, 2.4), layout="constrained")
    axes.step(list(states), list(states.values()), where="post", color=WRITTEN, label="points")
    kept = [(each.version, each.points) for each in snapshots]
    axes.plot(*zip(*kept, strict=True), "o", color=READ, label="snapshot")
    axes.set(xlabel="version: events of the account", ylabel="points")
    axes.legend(loc="upper left", frameon=False)
    plt.show()


def draw_lag(delays: pd.DataFrame) -> None:
    """Draw how many events were written and how many could be read, over time."""
    _figure, axes = plt.subplots(figsize=(9, 2.8), layout="constrained")
    began = delays["written"].min()
    for side, colour in (("written", WRITTEN), ("shown", READ)):
        seconds = (delays[side] - began).dt.total_seconds()
        axes.step(seconds, delays.index, where="post", color=colour, label=side)
    axes.set(xlabel="seconds", ylabel="version")
    axes.legend(loc="upper left", frameon=False)
    plt.show()
