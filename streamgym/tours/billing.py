"""What every version of a billing service does (tour of chapter 7); it imports little."""

import json
import os
import time
from pathlib import Path
from typing import Any

import psycopg

from streamgym.tours.serving import member

WORK = 0.008
"""Seconds that an order takes."""


class Billing:
    """Reads orders, and books each in Postgres, with the process that did it.

    Its own number is in the file ``pid``, for whoever wants to send it a signal.
    """

    def __init__(self) -> None:
        Path("pid").write_text(str(os.getpid()))
        self.consumer = member(os.environ["TOPIC"], os.environ["TOPIC"])
        self._db = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)

    def book(self, record: Any) -> None:
        """Book one order."""
        time.sleep(WORK)
        values = json.loads(record.value)["order"], os.getpid()
        self._db.execute("INSERT INTO bookings VALUES (%s, %s)", values)
