import json
import random

import pandas as pd
import pytest

from streamgym.data import flights, windows


def test_all_events_are_there_in_the_order_they_became_known():
    events = flights.events()
    assert len(events) == 648_330
    assert (events["kind"] == "departure").sum() == 328_521
    assert events["actual"].is_monotonic_increasing
    delay = (events["actual"] - events["scheduled"]).dt.total_seconds() / 60
    assert (delay == events["delay"]).all()


def test_the_first_departure_is_that_of_the_source():
    first = flights.events().iloc[0]
    assert (first["flight"], first["airport"], first["delay"]) == ("UA1545", "EWR", 2.0)
    assert first["scheduled"] == pd.Timestamp("2013-01-01T05:15-05:00")


def test_arrivals_come_a_flight_later():
    events = flights.events()
    both = [events[events["kind"] == kind] for kind in ("departure", "arrival")]
    nearest = pd.merge_asof(
        *(part.sort_values("scheduled") for part in reversed(both)),
        on="scheduled",
        by="flight",
        suffixes=("", "_departure"),
        direction="backward",
        tolerance=pd.Timedelta(hours=13),
    )
    assert nearest["actual_departure"].notna().mean() > 0.99


def test_a_seed_draws_the_same_flights_again():
    one, again, other = (flights.draw(random.Random(seed)) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, again)
    assert not one.equals(other)
    assert (one["delay"] > 30).mean() > 0.1


def test_records_are_json():
    (record,) = flights.records(flights.draw(random.Random(1)).head(1))
    assert json.loads(json.dumps(record)) == record
    assert record["scheduled"].endswith("+00:00")


def frame(*rows):
    """Make flights of (airport, scheduled, delay) by hand, in order of arrival."""
    events = pd.DataFrame(rows, columns=["airport", "scheduled", "delay"])
    return events.assign(scheduled=pd.to_datetime("2013-01-01T" + events["scheduled"], utc=True))


HOUR = pd.Timedelta(hours=1)


def test_late_means_behind_the_newest_minus_the_lateness():
    day = frame(("A", "08:00", 0), ("A", "09:00", 0), ("B", "08:29", 0), ("A", "08:30", 0))
    half = HOUR / 2
    assert windows.is_late(day, half).tolist() == [False, False, True, False]
    assert windows.is_late(day, half, by=["airport"]).tolist() == [False] * 4


def test_windows_hold_their_start_and_not_their_end():
    day = frame(("A", "08:00", 2), ("A", "08:59", 4), ("A", "09:00", 9))
    rows = windows.aggregate(day, HOUR)
    assert rows["flights"].tolist() == [2, 1]
    assert rows["mean_delay"].tolist() == [3, 9]


def test_append_mode_by_hand():
    """Two records a batch, one hour of lateness.

    Before batch 2 the watermark is 09:30 - 1 h = 08:30: nothing is closed. Before batch 3 it is
    11:10 - 1 h = 10:10: the windows of 08:00 and 09:00 close. The record of 09:40 in batch 3
    still counts, since the watermark of the batch before was 08:30. The one of 09:50 in batch 4
    comes after its window was emitted, and is dropped.
    """
    day = frame(
        *[("A", time, 0) for time in ("08:10", "09:30", "11:10", "11:00", "09:40", "11:20")],
        ("A", "09:50", 0),
        ("A", "11:30", 0),
    )
    emitted = windows.append_mode(day, HOUR, HOUR, batch=2)
    assert emitted.windows["flights"].tolist() == [1, 2]
    assert (emitted.dropped, emitted.still_open) == (1, 1)


@pytest.mark.parametrize("airport", flights.NEW_YORK)
def test_departures_are_cut_half_open(airport):
    first = pd.Timestamp("2013-02-22T13:00Z")
    found = flights.departures([airport], first, first + HOUR)
    assert found["scheduled"].min() >= first
    assert found["scheduled"].max() < first + HOUR
