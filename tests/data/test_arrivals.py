"""Arrivals are worked out from a local clock time: they must be plausible for their flight."""

import pandas as pd

from streamgym.data import flights
from streamgym.data.flights import _table


def test_each_flight_is_scheduled_to_take_20_minutes_to_13_hours():
    kept = _table("flights.csv.zip").dropna(subset=["dep_delay"])
    both = flights._make_events()
    takes_off = both[both["kind"] == "departure"]
    lands = both[both["kind"] == "arrival"]
    assert len(takes_off) == len(kept)
    assert len(lands) == 648_330 - len(kept)
    zones = _table("airports.csv").set_index("faa")["tzone"]
    landed = kept.dropna(subset=["arr_delay"])
    landed = landed[landed["dest"].isin(zones.index)]
    departs = pd.to_datetime(landed["time_hour"], utc=True)
    departs += pd.to_timedelta(landed["minute"], unit="min")
    elapsed = flights._arriving(kept, departs.reindex(kept.index))["scheduled"] - departs
    assert elapsed.min() >= pd.Timedelta(minutes=20)
    assert elapsed.max() <= pd.Timedelta(hours=13)


def test_the_timetables_time_agrees_with_the_time_in_the_air():
    """UA1545, the first flight of the year, from Newark to Houston: 05:15 to 08:19 local."""
    events = flights.events()
    (arrival,) = events[(events["flight"] == "UA1545") & (events["kind"] == "arrival")][
        "scheduled"
    ].head(1)
    assert arrival == pd.Timestamp("2013-01-01T08:19-06:00")
