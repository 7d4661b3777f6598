"""The batch job of the tour of chapter 3; a second stands for a day. It imports little."""

import os
import time
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import psycopg

FIRST, DAY = date(2025, 6, 1), timedelta(days=1)
"""The first day, and how far the next is."""

SECONDS = 1.0
"""How long a day lasts."""

READ = """INSERT INTO daily_sales SELECT placed_at::date, count(*), sum(amount) FROM orders
          WHERE placed_at >= %s AND placed_at < %s GROUP BY 1"""


@dataclass(frozen=True)
class Warehouse:
    """The shop's orders, and what is made of them every night, in one database.

    Attributes:
        url: of the database; the environment variable DATABASE_URL by default.
    """

    url: str = field(default_factory=lambda: os.environ["DATABASE_URL"])

    def load(self, day: date, how: str) -> None:
        """Add up the orders of a day, in place of what was loaded of it before.

        Args:
            day: whose orders.
            how: the run was started.
        """
        with psycopg.connect(self.url) as db:  # one transaction
            db.execute("DELETE FROM daily_sales WHERE day = %s", [day])
            db.execute(READ, [day, day + DAY])
            db.execute("INSERT INTO runs VALUES (%s, %s, %s)", [how, day, time.time()])

    def load_file(self, path: Path) -> None:
        """Load the lines of a file, and note how many there were."""
        lines = path.read_text().splitlines()
        with psycopg.connect(self.url) as db:
            db.execute("INSERT INTO files VALUES (%s, %s)", [path.name, len(lines)])
            db.execute("INSERT INTO runs VALUES ('triggered', NULL, %s)", [time.time()])

    def loaded(self) -> set[date]:
        """Return the days that were loaded."""
        with psycopg.connect(self.url) as db:
            return {day for (day,) in db.execute("SELECT day FROM daily_sales")}

    def missing(self) -> list[date]:
        """Return the days that are over and were not loaded."""
        past = [FIRST + n * DAY for n in range(self.nights())]
        return sorted(set(past) - self.loaded())

    def files(self) -> dict[str, int]:
        """Return how many lines of each file were loaded."""
        with psycopg.connect(self.url) as db:
            return dict(db.execute("SELECT name, lines FROM files").fetchall())

    def today(self) -> date:
        """Return the shop's day."""
        return FIRST + self.nights() * DAY

    def nights(self) -> int:
        """Return how many nights have been."""
        began = self.began()
        return int((time.time() - began) / SECONDS)

    def sleep_until_midnight(self) -> None:
        """Sleep until the next day of the shop begins."""
        midnight = self.began() + (self.nights() + 1) * SECONDS
        while (left := midnight - time.time()) > 0:
            time.sleep(left)

    def began(self) -> float:
        """Return when the first day began, since 1970: when somebody first asked for it."""
        with psycopg.connect(self.url) as db:
            db.execute("INSERT INTO clock VALUES (1, %s) ON CONFLICT DO NOTHING", [time.time()])
            return float(db.execute("SELECT began FROM clock").fetchall()[0][0])
