"""What is checked in lab 03, windowing, and the hints."""

import math
import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pandas as pd

from streamgym.checks import (
    Case,
    Choice,
    Expectations,
    Function,
    Plan,
    Worker,
    exercise,
    expect,
    plans,
)
from streamgym.checks.answers import Raised
from streamgym.data import flights, windows
from streamgym.data.windows import EPOCH

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def floor(time: datetime, size: timedelta) -> datetime:
    return EPOCH + size * ((time - EPOCH) // size)


def some_times(case: Case, number: int) -> list[datetime]:
    return case.rng.sample(flights.times(flights.draw(case.rng)), number)


# %% tumbling


@exercise(
    title="Put an event into its tumbling window",
    points=10,
    hints=[
        "The event carries its own time. Use that one, not the clock of the machine.",
        "A window holds its start but not its end: at exactly 09:00 the 09:00 window begins.",
        "An event at 08:40 belongs to the hour that began at 08:00. Round down, never to the nearest.",
        "Windows start at multiples of the size counted from 1970, not at the first event.",
        "A window may be longer than an hour. Count from 1970, not from the full hour.",
    ],
)
def tumbling(answer: Function, case: Case) -> Expectations:
    sizes = [5 * MINUTE, 15 * MINUTE, HOUR, 90 * MINUTE, 4 * HOUR]
    calls = [(time, case.rng.choice(sizes)) for time in some_times(case, 60)]
    calls += [(floor(time, size), size) for time, size in calls[:20]]
    for (time, size), start in zip(calls, answer.map(calls), strict=False):
        due = floor(time, size)
        on_boundary = time == due
        yield expect(
            "a start is the first moment of its window"
            if on_boundary
            else "the window holds the event",
            start,
            equals=due,
            given={"time": time, "size": size},
            mistakes={
                2: floor(time - timedelta(microseconds=1), size),
                3: floor(time + size / 2, size),
                4: unaligned(start, time, size),
                5: from_the_hour(time, size),
            },
        )


def from_the_hour(time: datetime, size: timedelta) -> datetime:
    minutes = size // MINUTE
    return time.replace(minute=time.minute // minutes * minutes)


def unaligned(start: Any, time: datetime, size: timedelta) -> Any:
    """Give back a start that holds the event although no window begins there."""
    if not isinstance(start, datetime) or not start.tzinfo or start == from_the_hour(time, size):
        return None
    return start if start < time < start + size else None


# %% sliding


def sliding_starts(time: datetime, size: timedelta, slide: timedelta) -> list[datetime]:
    newest = floor(time, slide)
    return [
        newest - n * slide
        for n in range(math.ceil(size / slide))
        if newest - n * slide + size > time
    ][::-1]


@exercise(
    title="Find all sliding windows that hold an event",
    points=10,
    hints=[
        "Start from the newest window that has begun, and step back by the slide while the window still holds the event.",
        "When the slide is smaller than the size, windows overlap: one event is in several of them.",
        "A window that ends exactly at the event's time does not hold it.",
        "Windows start at multiples of the slide, not of the size.",
    ],
)
def sliding(answer: Function, case: Case) -> Expectations:
    shapes = [(HOUR, 15 * MINUTE), (30 * MINUTE, 10 * MINUTE), (HOUR, HOUR), (HOUR, 25 * MINUTE)]
    calls = [(time, *case.rng.choice(shapes)) for time in some_times(case, 60)]
    calls += [(floor(time, slide), size, slide) for time, size, slide in calls[:20]]
    for (time, size, slide), starts in zip(calls, answer.map(calls), strict=False):
        due = sliding_starts(time, size, slide)
        ended = floor(time, slide) - size
        yield expect(
            "an event on a boundary"
            if time == floor(time, slide)
            else "every window that holds the event, and no other",
            in_order(starts),
            equals=due,
            given={"time": time, "size": size, "slide": slide},
            mistakes={
                2: [floor(time, size)],
                3: [ended, *due],
                4: [floor(time, size) - n * slide for n in range(len(due))][::-1],
            },
        )


def in_order(value: Any) -> Any:
    """Accept any order of times."""
    if isinstance(value, list) and all(isinstance(item, datetime) for item in value):
        return sorted(value, key=lambda time: time.replace(tzinfo=time.tzinfo or UTC))
    return value


# %% sessions


def split_sessions(
    times: list[datetime], gap: timedelta, *, closed: bool = False
) -> list[list[Any]]:
    sessions: list[list[Any]] = []
    for time in times:
        pause = time - sessions[-1][1] if sessions else gap * 2
        if pause < gap or (closed and pause == gap):
            sessions[-1] = [sessions[-1][0], max(time, sessions[-1][1]), sessions[-1][2] + 1]
        else:
            sessions.append([time, time, 1])
    return sessions


def split_by_length(times: list[datetime], gap: timedelta) -> list[list[Any]]:
    sessions: list[list[Any]] = []
    for time in times:
        if sessions and time - sessions[-1][0] < gap:
            sessions[-1] = [sessions[-1][0], time, sessions[-1][2] + 1]
        else:
            sessions.append([time, time, 1])
    return sessions


@exercise(
    title="Cut a stream into sessions",
    points=10,
    hints=[
        "Walk through the times in order; a pause of at least the gap starts a new session.",
        "The gap is measured from the last event of a session, not from its first: a session can grow without end.",
        "A pause of exactly the gap starts a new session.",
        "Events arrive out of order. Sort them by their own time first.",
    ],
)
def sessions(answer: Function, case: Case) -> Expectations:
    calls = []
    starts = some_times(case, 12)
    for _ in range(12):
        gap = case.rng.choice([3, 5, 10]) * MINUTE
        time = case.rng.choice(starts)
        times = []
        for _ in range(25):
            time += case.rng.choice([0.3, 0.5, 0.9, 1.0, 1.7]) * gap
            times.append(time)
        calls.append((times, gap))
    shuffled = [(case.rng.sample(times, len(times)), gap) for times, gap in calls[:6]]
    names = ["events in order"] * len(calls) + ["events out of order"] * len(shuffled)
    both = [*calls, *shuffled]
    for name, (times, gap), found in zip(names, both, answer.map(both), strict=False):
        ordered = sorted(times)
        yield expect(
            name,
            found,
            equals=split_sessions(ordered, gap),
            given={"times": times, "gap": gap},
            mistakes={
                2: lambda ordered=ordered, gap=gap: split_by_length(ordered, gap),
                3: lambda ordered=ordered, gap=gap: split_sessions(ordered, gap, closed=True),
                **(
                    {4: lambda times=times, gap=gap: split_sessions(times, gap)}
                    if times != ordered
                    else {}
                ),
            },
        )


# %% late_flights


def late_names(rows: list[list[Any]], lateness: timedelta, *, closed: bool = False) -> list[str]:
    late, newest = [], EPOCH
    for name, time in rows:
        newest = max(newest, time)
        if time < newest - lateness or (closed and time == newest - lateness):
            late.append(name)
    return late


@exercise(
    title="Tell which events are late",
    points=10,
    hints=[
        "The watermark is the newest event time seen so far, minus the lateness. Late means: before the watermark.",
        "Without the lateness every event that is out of order counts as late.",
        "An event exactly at the watermark is not late.",
        "Compare with the newest event time so far, not with the event just before: the watermark never goes back.",
        "A flight's delay is not its lateness: nobody was waiting for it if the whole airport was delayed.",
    ],
)
def late_flights(answer: Function, case: Case) -> Expectations:
    calls, delays = [], []
    for _ in range(6):
        day = flights.draw(case.rng).head(150)
        names = [f"{flight}/{number}" for number, flight in enumerate(day["flight"])]
        rows = [[n, t] for n, t in zip(names, flights.times(day), strict=True)]
        exact = case.rng.choice(windows.lag(day)[lambda lag: lag > 5 * MINUTE].tolist())
        lateness = case.rng.choice([20 * MINUTE, 30 * MINUTE, exact.to_pytimedelta()])
        calls.append((rows, lateness))
        delays.append(dict(zip(names, day["delay"], strict=True)))
    for (rows, lateness), delay, found in zip(calls, delays, answer.map(calls), strict=False):
        previous = pairwise(rows)
        yield expect(
            "the late flights, in order of arrival",
            found,
            equals=late_names(rows, lateness),
            given={"lateness": lateness, "first arrivals": rows[:4]},
            mistakes={
                2: late_names(rows, timedelta(0)),
                3: late_names(rows, lateness, closed=True),
                4: [b[0] for a, b in previous if b[1] < a[1] - lateness],
                5: [name for name, _ in rows if delay[name] * MINUTE > lateness],
            },
        )


# %% watermark


@exercise(
    title="A watermark over partitions, one of them idle",
    points=15,
    hints=[
        "Take the newest event time of each partition, then the smallest of these, then subtract the lateness.",
        "An idle partition holds the watermark back for ever, and no window closes. Leave it out.",
        "The fastest partition must not set the pace: events of the slower ones would be late.",
        "Subtract the lateness.",
        "All partitions count, not only the first.",
        "When every partition is idle there is nothing to go by: return None.",
    ],
)
def watermark(answer: Function, case: Case) -> Expectations:
    calls = [
        partition_state(case, now, idle)
        for idle in (0, 0, 1, 1, 2, 2, 4, 1, 0, 2)
        for now in some_times(case, 3)
    ]
    for (partitions, now, lateness, idle_after), found in zip(
        calls, answer.map(calls), strict=False
    ):
        all_newest = [p["newest"] for p in partitions]
        newest = [p["newest"] for p in partitions if now - p["seen"] < idle_after]
        first = partitions[0]["newest"]
        yield expect(
            f"{len(partitions) - len(newest)} of {len(partitions)} partitions idle",
            found,
            equals=min(newest) - lateness if newest else None,
            given={
                "partitions": partitions,
                "now": now,
                "lateness": lateness,
                "idle_after": idle_after,
            },
            mistakes={
                2: min(all_newest) - lateness,
                3: max(newest, default=first) - lateness,
                4: min(newest, default=first),
                5: first - lateness,
            },
            hint=1 if newest else 6,
        )


def partition_state(case: Case, now: datetime, idle: int) -> tuple[Any, ...]:
    """Four partitions, so many of them idle; an idle one is always the furthest behind."""
    idle_after = case.rng.choice([30, 60, 120]) * timedelta(seconds=1)
    lateness = case.rng.choice([5, 10, 30]) * MINUTE
    partitions = []
    for number in range(4):
        silent = (
            idle_after * case.rng.uniform(1.1, 9)
            if number < idle
            else idle_after * case.rng.uniform(0, 0.9)
        )
        behind = case.rng.randrange(200, 400) if number < idle else case.rng.randrange(1, 90)
        partitions.append({"newest": now - behind * MINUTE, "seen": now - silent})
    if idle == 1:
        partitions.reverse()
    return partitions, now, lateness, idle_after


# %% hourly_delays


@exercise(
    title="Hourly delays with Bytewax on Kafka",
    points=25,
    hints=[
        "Compare a window that is wrong with the records of its airport and hour, by scheduled time.",
        "Windows are cut by the flight's own scheduled time, not by the time at which the record arrives.",
        "Give the clock the lateness to wait for: without it, every record out of order is late.",
        "Late records must not vanish: send the windowing operator's late stream to the late topic.",
        "A late record belongs to no window any more. Do not move it into a newer one.",
        "Align the windows to the full hour, not to the first record.",
        "Read every partition of the input topic.",
    ],
)
def hourly_delays(answer: Worker, case: Case) -> Expectations:
    lateness = case.rng.choice([30, 45, 60]) * MINUTE
    day = without_close_calls(flights.draw(case.rng, airports=3, hours=8), lateness)
    source = case.topic(flights.records(day), key="airport", partitions=4)
    output, late = case.topic(), case.topic()
    run = answer.run(
        {
            "KAFKA_BOOTSTRAP_SERVERS": case.world.kafka(),
            "INPUT_TOPIC": source,
            "OUTPUT_TOPIC": output,
            "LATE_TOPIC": late,
            "LATENESS_MINUTES": str(lateness // MINUTE),
        }
    )
    yield expect("the worker ends in order", run.returncode, equals=0, given=run.errors)
    yield from judge_hours(day, lateness, case.read(output))
    yield from judge_late(day, lateness, case.read(late))


def without_close_calls(day: pd.DataFrame, lateness: timedelta) -> pd.DataFrame:
    """Leave out records within three minutes of being late.

    Bytewax's event clock moves on with the machine's own (its documentation, ``EventClock``), so
    on a slow machine such a record could fall on either side.
    """
    lag = windows.lag(day, by=["airport"])
    close = (lag > lateness - 3 * MINUTE) & (lag < lateness + 3 * MINUTE)
    return day[~close].reset_index(drop=True)


def judge_hours(day: pd.DataFrame, lateness: timedelta, got: list[dict[str, Any]]) -> Expectations:
    late = windows.is_late(day, lateness, by=["airport"])
    due = windows.aggregate(day[~late], HOUR)
    unordered = windows.is_late(day, timedelta(0), by=["airport"])
    mistaken = {
        2: windows.aggregate(day.assign(scheduled=day["actual"]), HOUR),
        3: windows.aggregate(day[~unordered], HOUR),
        5: windows.aggregate(clamped(day, lateness), HOUR),
        6: due.assign(start=due["start"] + HOUR),
    }
    yield from judge_windows(due, got, mistaken | suspicion(due, got))


def judge_windows(
    due: pd.DataFrame, got: list[dict[str, Any]], mistaken: dict[int, pd.DataFrame]
) -> Expectations:
    """Compare windows found with those due; a hint is earned by the mistake that explains it."""
    found, wanted = by_window(pd.DataFrame(got)), by_window(due)
    others = {number: by_window(frame) for number, frame in mistaken.items()}
    yield expect("every window comes out once", len(got), equals=len(found), given="rows")
    yield expect(
        "the right windows come out",
        sorted(found),
        equals=sorted(wanted),
        given="airport and start",
        mistakes={number: sorted(other) for number, other in others.items()},
    )
    for position, name in enumerate(["the number of flights", "the mean delay"]):
        yield expect(
            f"{name} in each window",
            {key: value[position] for key, value in found.items()},
            equals={key: value[position] for key, value in wanted.items()},
            given="airport and start",
            within=0.01,
            mistakes={
                number: {key: value[position] for key, value in other.items()}
                for number, other in others.items()
            },
        )


def by_window(frame: pd.DataFrame) -> dict[str, tuple[Any, Any]]:
    """Return flights and mean delay by airport and start; what cannot be read stays out."""
    if not {"airport", "start", "flights", "mean_delay"} <= set(frame.columns):
        return {}
    starts = pd.to_datetime(frame["start"], utc=True, errors="coerce", format="ISO8601")
    keys = frame["airport"].astype(str) + " " + starts.dt.strftime("%Y-%m-%d %H:%M")
    values = zip(frame["flights"].tolist(), frame["mean_delay"].tolist(), strict=True)
    return dict(zip(keys, values, strict=True))


def suspicion(due: pd.DataFrame, got: list[dict[str, Any]]) -> dict[int, pd.DataFrame]:
    """Say what the windows that came out look like, when they are not those that are due."""
    frame = pd.DataFrame(got)
    if not len(by_window(frame)):
        return {}
    starts = pd.to_datetime(frame["start"], utc=True, errors="coerce", format="ISO8601")
    if (starts.dt.year != due["start"].dt.year.iloc[0]).any():
        return {2: frame}
    if (starts.dt.minute != 0).any():
        return {6: frame}
    if set(frame["airport"]) < set(due["airport"]):
        return {7: frame}
    return {}


def clamped(day: pd.DataFrame, lateness: timedelta) -> pd.DataFrame:
    """Move each late record to its airport's watermark."""
    watermark = day["scheduled"] + windows.lag(day, by=["airport"]) - lateness
    return day.assign(scheduled=day["scheduled"].where(day["scheduled"] >= watermark, watermark))


def judge_late(day: pd.DataFrame, lateness: timedelta, got: list[dict[str, Any]]) -> Expectations:
    late = windows.is_late(day, lateness, by=["airport"])
    unordered = windows.is_late(day, timedelta(0), by=["airport"])
    yield expect(
        "late records, and only these, are in the late topic",
        sorted(name_of(row) for row in got),
        equals=names_of(day[late]),
        given="airport, flight and scheduled time",
        mistakes={3: names_of(day[unordered]), 4: []},
    )


def names_of(day: pd.DataFrame) -> list[str]:
    return sorted(name_of(row) for row in flights.records(day))


def name_of(row: dict[str, Any]) -> str:
    return f"{row.get('airport')} {row.get('flight')} {row.get('scheduled')}"


# %% closed_windows

PATIENCE = 90 * MINUTE
"""The lateness that the Spark query must allow."""


@exercise(
    title="Closed windows only: append mode in Spark",
    points=20,
    hints=[
        "Compare a window that is wrong with the records of its airport and hour, by scheduled time.",
        "Windows are cut by the scheduled time; neither the Kafka timestamp nor the present moment will do.",
        "Tell Spark how late a record may be: withWatermark on the scheduled time, with 90 minutes.",
        "Spark keeps every window until the watermark passes its end. A watermark that never gets there keeps them all, and append mode shows nothing.",
        "Append mode needs a watermark on the very column that the windows are cut by.",
        "The windows are tumbling: one hour long, and they do not overlap.",
    ],
)
def closed_windows(answer: Plan, case: Case) -> Expectations:
    day = flights.draw(case.rng, airports=2, hours=9)
    batch = case.rng.randrange(60, 90)
    topic = case.topic(flights.records(day))
    source = flights.read_stream(case.world.spark(), case.world.kafka(), topic, batch)
    relation = answer.relation(plans.to_message(source))
    result = (
        relation if isinstance(relation, Raised) else plans.stream(relation, case.world.spark())
    )
    if isinstance(result, Raised):
        yield expect("the query runs", result, equals="a running query", hint=complaint(result))
        return
    yield expect("the query runs", "yes", equals="yes")
    due = windows.append_mode(day, HOUR, PATIENCE, batch)
    mistaken = {
        2: windows.append_mode(day.assign(scheduled=day["actual"]), HOUR, PATIENCE, batch).windows,
        3: windows.append_mode(day, HOUR, timedelta(0), batch).windows,
        4: due.windows.iloc[:0],
    }
    rows = [row | {"start": str(row.get("start"))} for row in result.rows]
    yield from judge_windows(due.windows, rows, mistaken | suspicion(due.windows, rows))
    yield expect(
        "only open windows are kept in state",
        result.state_rows,
        equals=due.still_open,
        given="rows of state at the end",
        mistakes={3: windows.append_mode(day, HOUR, timedelta(0), batch).still_open},
        hint=4,
    )


def complaint(result: Raised) -> int:
    return 5 if "watermark" in result.error.lower() else 1


# %% patience


def patience_task(rng: random.Random) -> dict[str, Any]:
    """Return this student's airport, day and share."""
    airport = rng.choice(flights.NEW_YORK)
    share = rng.choice([0.01, 0.02, 0.03, 0.05, 0.08])
    while True:
        day = datetime(2013, 1, 1, 5, tzinfo=UTC) + timedelta(days=rng.randrange(360))
        found = flights.departures([airport], day, day + timedelta(days=1))
        if len(found) > 150 and (found["delay"] > 30).mean() > 0.1:
            return {"airport": airport, "share": share, "flights": found}


@exercise(
    title="How long should the watermark wait?",
    points=10,
    task=patience_task,
    hints=[
        "For each flight: how far behind the newest scheduled time was it when it became known?",
        "A flight's delay is not its lateness. Compare with the newest scheduled time seen so far.",
        "Longer than needed: every minute of lateness is a minute that each result comes later.",
        "At most this share may be lost: count from the other end.",
    ],
)
def patience(answer: Choice, case: Case) -> Expectations:
    task = patience.task_for(answer.student)
    behind = windows.lag(task["flights"])
    due = smallest_patience(behind, task["share"])
    value = answer.value
    lost = f", loses {(behind > value * MINUTE).mean():.1%}" if is_fives(value) else ""
    yield expect(
        "a whole number of minutes, a multiple of 5", is_fives(value), equals=True, given=value
    )
    yield expect(
        "the smallest that loses no more than the share",
        value,
        equals=due,
        given=f"minutes{lost}; allowed are {task['share']:.0%}",
        mistakes={
            2: smallest_patience(task["flights"]["delay"] * MINUTE, task["share"]),
            3: value if is_fives(value) and value > due else None,
            4: smallest_patience(behind, 1 - task["share"]),
        },
    )


def smallest_patience(behind: pd.Series, share: float) -> int:
    """Return the smallest multiple of 5 minutes that makes at most ``share`` of these late."""
    longest = int(behind.max() / MINUTE) // 5 * 5 + 5
    return next(m for m in range(0, longest + 5, 5) if (behind > m * MINUTE).mean() <= share)


def is_fives(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and value % 5 == 0
        and 0 <= value < 5000
    )
