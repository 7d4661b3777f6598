"""Oracles against frames that were worked out by hand."""

import pandas as pd
import pytest

from streamgym.data import windows

HOUR, HALF = pd.Timedelta("1h"), pd.Timedelta("30min")


def frame(*rows):
    """Make flights of airport, scheduled time and delay, in order of arrival."""
    found = pd.DataFrame(rows, columns=["airport", "scheduled", "delay"])
    return found.assign(scheduled=pd.to_datetime("2013-01-01T" + found["scheduled"], utc=True))


def shown(rows):
    """Return windows as airport, hour and minute of the start, flights and mean delay."""
    return [(r.airport, f"{r.start:%H:%M}", r.flights, r.mean_delay) for r in rows.itertuples()]


def test_lag_is_measured_from_the_newest_so_far_and_never_from_a_later_one():
    day = frame(("A", "09:00", 0), ("A", "08:00", 0), ("A", "10:00", 0), ("A", "09:59", 0))
    minutes = (windows.lag(day) / pd.Timedelta("1min")).tolist()
    assert minutes == [0, 60, 0, 1]


def test_an_event_exactly_at_the_watermark_is_not_late():
    day = frame(("A", "09:00", 0), ("A", "08:30", 0), ("A", "08:29", 0))
    assert windows.is_late(day, HALF).tolist() == [False, False, True]


def test_airports_have_windows_of_their_own_in_order():
    day = frame(("B", "08:10", 6), ("A", "09:00", -2), ("B", "08:50", 0), ("A", "08:59", 1))
    assert shown(windows.aggregate(day, HOUR)) == [
        ("A", "08:00", 1, 1.0),
        ("A", "09:00", 1, -2.0),
        ("B", "08:00", 2, 3.0),
    ]


@pytest.mark.parametrize(("minutes", "start"), [(30, "08:30"), (90, "07:30"), (240, "08:00")])
def test_windows_are_aligned_to_1970(minutes, start):
    """2013-01-01 is 15,706 days after 1970: a whole number of 90 minutes and of 4 hours."""
    rows = windows.aggregate(frame(("A", "08:45", 0)), pd.Timedelta(minutes=minutes))
    assert [f"{row:%H:%M}" for row in rows["start"]] == [start]


def test_append_mode_over_three_batches():
    """Two records a batch, half an hour of lateness.

    batch 0 (08:10, 08:50): no watermark yet; afterwards it is 08:20.
    batch 1 (10:00, 08:30): nothing is dropped; afterwards it is 09:30, and 08:00 comes out
        with the three records 08:10, 08:50 and 08:30.
    batch 2 (10:20, 08:40): records are dropped by the watermark of batch 1, 08:20, so 08:40 stays
        in the window of 08:00; afterwards it is 09:50, and 10:00 to 11:00 stays open.
    """
    times = ["08:10", "08:50", "10:00", "08:30", "10:20", "08:40"]
    day = frame(*[("A", time, delay) for delay, time in enumerate(times)])
    emitted = windows.append_mode(day, HOUR, HALF, batch=2)
    assert shown(emitted.windows) == [("A", "08:00", 4, (0 + 1 + 3 + 5) / 4)]
    assert (emitted.still_open, emitted.dropped) == (1, 0)


def test_append_mode_drops_what_comes_after_its_window():
    """As above with a fourth batch: its records are dropped by 09:30, that of batch 2."""
    times = ["08:10", "08:50", "10:00", "08:30", "10:20", "10:30", "08:40", "09:40"]
    day = frame(*[("A", time, 0) for time in times])
    emitted = windows.append_mode(day, HOUR, HALF, batch=2)
    assert shown(emitted.windows) == [("A", "08:00", 3, 0), ("A", "09:00", 1, 0)]
    assert (emitted.still_open, emitted.dropped) == (1, 1)


def test_append_mode_shows_nothing_while_the_watermark_is_behind():
    day = frame(("A", "08:10", 0), ("B", "09:10", 0), ("A", "08:20", 0))
    emitted = windows.append_mode(day, HOUR, pd.Timedelta("1D"), batch=1)
    assert len(emitted.windows) == 0
    assert (emitted.still_open, emitted.dropped) == (2, 0)
