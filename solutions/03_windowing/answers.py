"""Right answers of another kind, and the wrong ones that people really give."""

import bisect
import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pyspark.sql import functions as F

from streamgym.checks.labs import load_exercises
from streamgym.course.answers import right, swap, wrong

lab = load_exercises("03_windowing")
tumbling, sliding, sessions = lab["tumbling"], lab["sliding"], lab["sessions"]
late_flights, watermark = lab["late_flights"], lab["watermark"]
hourly_delays, closed_windows, patience = (
    lab["hourly_delays"],
    lab["closed_windows"],
    lab["patience"],
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INSIDE = "the window holds the event"
BOUNDARY = "a start is the first moment of its window"

# tumbling


@right(tumbling)
def by_remainder(time, size):
    return time - (time - EPOCH) % size


@right(tumbling)
def by_timestamp(time, size):
    seconds = size.total_seconds()
    return datetime.fromtimestamp(time.timestamp() // seconds * seconds, UTC)


@wrong(tumbling, misconception="processing time for event time", fails=INSIDE, hint=1)
def by_wall_clock(time, size):
    now = datetime.now(UTC)
    return now - (now - EPOCH) % size


@wrong(tumbling, misconception="half-open boundary off by one", fails=BOUNDARY, hint=2)
def holds_its_end(time, size):
    return time - timedelta(microseconds=1) - (time - timedelta(microseconds=1) - EPOCH) % size


@wrong(tumbling, misconception="rounds to the nearest window", fails=INSIDE, hint=3)
def nearest(time, size):
    return EPOCH + round((time - EPOCH) / size) * size


@wrong(tumbling, misconception="windows aligned to the first event", fails=INSIDE, hint=4)
def from_first_event(time, size):
    first = datetime(2013, 1, 1, 5, 17, tzinfo=UTC)
    return first + (time - first) // size * size


@wrong(tumbling, misconception="windows never longer than an hour", fails=INSIDE, hint=5)
def from_the_minute(time, size):
    minutes = int(size.total_seconds() // 60)
    return time.replace(minute=time.minute // minutes * minutes)


@wrong(tumbling, misconception="the public seed's answer hard-coded", fails=INSIDE, hint=1)
def learned_by_heart(time, size):
    return datetime(2013, 9, 19, 13, tzinfo=UTC)


# sliding


@right(sliding)
def by_counting_down(time, size, slide):
    newest = time - (time - EPOCH) % slide
    steps = range(-(-size // slide))
    return [s for s in (newest - n * slide for n in steps) if s <= time < s + size]


@right(sliding)
def from_the_oldest(time, size, slide):
    start = time - size - (time - size - EPOCH) % slide + slide
    starts = set()
    while start <= time:
        starts.add(start)
        start += slide
    return starts


@wrong(
    sliding,
    misconception="slide smaller than size treated as tumbling",
    fails="every window that holds the event, and no other",
    hint=2,
)
def as_tumbling(time, size, slide):
    return [time - (time - EPOCH) % size]


@wrong(
    sliding,
    misconception="half-open boundary off by one",
    fails="an event on a boundary",
    hint=3,
)
def end_included(time, size, slide):
    start = time - (time - EPOCH) % slide
    starts = []
    while start + size >= time:
        starts.append(start)
        start -= slide
    return starts


@wrong(
    sliding,
    misconception="only the newest window",
    fails="every window that holds the event, and no other",
    hint=1,
)
def newest_only(time, size, slide):
    return [time - (time - EPOCH) % slide]


# sessions


@right(sessions)
def by_pauses(times, gap):
    ordered = sorted(times)
    cuts = [i for i in range(1, len(ordered)) if ordered[i] - ordered[i - 1] >= gap]
    parts = [ordered[a:b] for a, b in zip([0, *cuts], [*cuts, len(ordered)], strict=False)]
    return [(part[0], part[-1], len(part)) for part in parts if part]


@wrong(
    sessions,
    misconception="session gap measured from session start",
    fails="events in order",
    hint=2,
)
def from_session_start(times, gap):
    found = []
    for time in sorted(times):
        if found and time - found[-1][0] < gap:
            found[-1] = [found[-1][0], time, found[-1][2] + 1]
        else:
            found.append([time, time, 1])
    return found


@wrong(sessions, misconception="half-open boundary off by one", fails="events in order", hint=3)
def gap_included(times, gap):
    found = []
    for time in sorted(times):
        if found and time - found[-1][1] <= gap:
            found[-1] = [found[-1][0], time, found[-1][2] + 1]
        else:
            found.append([time, time, 1])
    return found


@wrong(
    sessions,
    misconception="order of arrival taken for event time",
    fails="events out of order",
    hint=4,
)
def as_they_come(times, gap):
    found = []
    for time in times:
        if found and time - found[-1][1] < gap:
            found[-1] = [found[-1][0], max(time, found[-1][1]), found[-1][2] + 1]
        else:
            found.append([time, time, 1])
    return found


# late_flights

LATE = "the late flights, in order of arrival"


@right(late_flights)
def with_running_maximum(arrivals, lateness):
    newest = [max(time for _, time in arrivals[: n + 1]) for n in range(len(arrivals))]
    return [f for (f, time), top in zip(arrivals, newest, strict=False) if top - time > lateness]


@right(late_flights)
def with_sorted_times(arrivals, lateness):
    seen, late = [], []
    for flight, time in arrivals:
        bisect.insort(seen, time)
        late += [flight] if time + lateness < seen[-1] else []
    return late


@wrong(late_flights, misconception="watermark without lateness", fails=LATE, hint=2)
def without_lateness(arrivals, lateness):
    return with_running_maximum.answer(arrivals, timedelta(0))


@wrong(late_flights, misconception="half-open boundary off by one", fails=LATE, hint=3)
def at_the_watermark(arrivals, lateness):
    newest, late = EPOCH, []
    for flight, time in arrivals:
        newest = max(newest, time)
        if time <= newest - lateness:
            late.append(flight)
    return late


@wrong(late_flights, misconception="the watermark goes back", fails=LATE, hint=4)
def against_previous(arrivals, lateness):
    pairs = itertools.pairwise(arrivals)
    return [b[0] for a, b in pairs if b[1] < a[1] - lateness]


@wrong(late_flights, misconception="processing time for event time", fails=LATE, hint=1)
def against_now(arrivals, lateness):
    return [flight for flight, time in arrivals if time < datetime.now(UTC) - lateness]


@wrong(late_flights, misconception="late events dropped silently", fails=LATE, hint=1)
def on_time_only(arrivals, lateness):
    late = set(with_running_maximum.answer(arrivals, lateness))
    return [flight for flight, _ in arrivals if flight not in late]


# watermark

ACTIVE, SOME_IDLE, ALL_IDLE = (f"{n} of 4 partitions idle" for n in (0, 1, 4))


@right(watermark)
def by_loop(partitions, now, lateness, idle_after):
    lowest = None
    for partition in partitions:
        idle = now - partition["seen"] >= idle_after
        if not idle and (lowest is None or partition["newest"] < lowest):
            lowest = partition["newest"]
    return None if lowest is None else lowest - lateness


@wrong(
    watermark,
    misconception="idle partition holds the watermark back: state never released",
    fails=SOME_IDLE,
    hint=2,
)
def idle_included(partitions, now, lateness, idle_after):
    return min(p["newest"] for p in partitions) - lateness


@wrong(watermark, misconception="the fastest partition sets the pace", fails=ACTIVE, hint=3)
def by_maximum(partitions, now, lateness, idle_after):
    active = [p["newest"] for p in partitions if now - p["seen"] < idle_after]
    return max(active) - lateness if active else None


@wrong(watermark, misconception="watermark without lateness", fails=ACTIVE, hint=4)
def promise_without_lateness(partitions, now, lateness, idle_after):
    active = [p["newest"] for p in partitions if now - p["seen"] < idle_after]
    return min(active) if active else None


@wrong(watermark, misconception="right only for one partition", fails=ACTIVE, hint=5)
def first_partition(partitions, now, lateness, idle_after):
    return partitions[0]["newest"] - lateness


@wrong(watermark, misconception="the watermark jumps when all are idle", fails=ALL_IDLE, hint=6)
def now_when_all_idle(partitions, now, lateness, idle_after):
    active = [p["newest"] for p in partitions if now - p["seen"] < idle_after]
    return min(active, default=now) - lateness


# hourly_delays

RIGHT_WINDOWS = "the right windows come out"
FLIGHTS = "the number of flights in each window"
LATE_TOPIC = "late records, and only these, are in the late topic"


@right(hourly_delays)
def without_a_framework(script):
    return Path(__file__).with_name("plain_worker.py").read_text()


@right(hourly_delays)
def with_a_fold(script):
    collect = 'win.collect_window("hours", by_airport, clock, hours)'
    fold = """win.fold_window(
    "hours", by_airport, clock, hours, list,
    lambda found, flight: [*found, flight], lambda a, b: a + b,
)"""
    return swap(script, collect, fold)


@wrong(hourly_delays, misconception="processing time for event time", fails=RIGHT_WINDOWS, hint=2)
def by_arrival(script):
    parsed = 'op.map("parse", records.oks, lambda record: json.loads(record.value))'
    by_log = """op.map("parse", records.oks, lambda record: json.loads(record.value) | {
    "scheduled": datetime.fromtimestamp(record.timestamp[1] / 1000, UTC).isoformat()})"""
    return swap(script, parsed, by_log)


@wrong(hourly_delays, misconception="the actual time for the event time", fails=FLIGHTS, hint=2)
def by_actual_time(script):
    return swap(script, 'flight["scheduled"]', 'flight["actual"]')


@wrong(
    hourly_delays,
    misconception="windows aligned to the first event",
    fails=RIGHT_WINDOWS,
    hint=6,
)
def aligned_to_an_event(script):
    return swap(
        script, "datetime(2013, 1, 1, tzinfo=UTC)", "datetime(2013, 1, 1, 5, 17, tzinfo=UTC)"
    )


@wrong(hourly_delays, misconception="watermark without lateness", fails=FLIGHTS, hint=3)
def waits_for_nobody(script):
    return swap(
        script, "wait_for_system_duration=LATENESS", "wait_for_system_duration=timedelta(0)"
    )


@wrong(hourly_delays, misconception="late events dropped silently", fails=LATE_TOPIC, hint=4)
def late_dropped(script):
    return swap(
        script,
        "lambda item: item[1][1])",
        'lambda item: item[1][1])\nlate = op.filter("drop", late, lambda flight: False)',
    )


@wrong(
    hourly_delays,
    misconception="late events counted in the wrong window",
    fails=FLIGHTS,
    hint=5,
)
def late_moved_forward(script):
    moved = """def to_watermark(newest, flight):
    newest = max(newest or scheduled(flight), scheduled(flight))
    time = max(scheduled(flight), newest - LATENESS)
    return newest, flight | {"scheduled": time.isoformat()}


by_airport = op.stateful_map("move", by_airport, to_watermark)
clock = win.EventClock(scheduled, wait_for_system_duration=LATENESS * 2)
"""
    return swap(
        script, "clock = win.EventClock(scheduled, wait_for_system_duration=LATENESS)\n", moved
    )


@wrong(
    hourly_delays, misconception="result right only for one partition", fails=RIGHT_WINDOWS, hint=7
)
def one_partition(script):
    plain = Path(__file__).with_name("plain_worker.py").read_text()
    return swap(
        plain, "for number in sorted(consumer.partitions_for_topic(topic))", "for number in [0]"
    )


@wrong(
    hourly_delays,
    misconception="state never released: windows only at the very end of a year",
    fails=RIGHT_WINDOWS,
    hint=1,
)
def never_closed(script):
    return swap(script, "timedelta(hours=1), align_to", "timedelta(days=365), align_to")


# closed_windows


def hourly(stream, column="scheduled", size="1 hour", slide=None):
    hour = F.window(column, size, slide) if slide else F.window(column, size)
    return (
        stream.groupBy("airport", hour.alias("hour"))
        .agg(F.count("*").alias("flights"), F.avg("delay").alias("mean_delay"))
        .select("airport", F.col("hour.start").alias("start"), "flights", "mean_delay")
    )


@right(closed_windows)
def in_seconds(stream):
    return hourly(stream.withWatermark("scheduled", "5400 seconds"), size="60 minutes")


@right(closed_windows)
def by_sum_and_count(stream):
    waiting = stream.select("airport", "scheduled", "delay").withWatermark(
        "scheduled", "90 minutes"
    )
    summed = waiting.groupBy(F.window("scheduled", "1 hour"), "airport").agg(
        F.sum("delay").alias("minutes"), F.count("delay").alias("flights")
    )
    mean = (F.col("minutes") / F.col("flights")).alias("mean_delay")
    return summed.select(F.col("window.start").alias("start"), "airport", mean, "flights")


@wrong(closed_windows, misconception="watermark without lateness", fails=FLIGHTS, hint=3)
def no_patience(stream):
    return hourly(stream.withWatermark("scheduled", "0 seconds"))


@wrong(closed_windows, misconception="state never released", fails=RIGHT_WINDOWS, hint=4)
def endless_patience(stream):
    return hourly(stream.withWatermark("scheduled", "365 days"))


@wrong(closed_windows, misconception="no watermark", fails="the query runs", hint=5)
def without_watermark(stream):
    return hourly(stream)


@wrong(
    closed_windows, misconception="watermark on the wrong column", fails="the query runs", hint=5
)
def watermark_elsewhere(stream):
    return hourly(stream.withWatermark("actual", "90 minutes"))


@wrong(closed_windows, misconception="the actual time for the event time", fails=FLIGHTS, hint=2)
def windows_of_actual(stream):
    return hourly(stream.withWatermark("actual", "90 minutes"), column="actual")


@wrong(closed_windows, misconception="sliding where tumbling is due", fails=RIGHT_WINDOWS, hint=6)
def overlapping(stream):
    return hourly(stream.withWatermark("scheduled", "90 minutes"), slide="30 minutes")


# patience

SMALLEST = "the smallest that loses no more than the share"


def behind(task):
    return task["flights"]["scheduled"].cummax() - task["flights"]["scheduled"]


def fives(lags, share):
    return next(m for m in range(0, 5000, 5) if (lags > timedelta(minutes=m)).mean() <= share)


@right(patience)
def by_quantile(task):
    minutes = behind(task).quantile(1 - task["share"], interpolation="higher").total_seconds() / 60
    return int(-(-minutes // 5) * 5)


@wrong(patience, misconception="the largest lateness seen", fails=SMALLEST, hint=3)
def for_the_worst(task):
    return int(behind(task).max().total_seconds() / 60) // 5 * 5 + 5


@wrong(patience, misconception="counted from the wrong end", fails=SMALLEST, hint=4)
def wrong_end(task):
    return fives(behind(task), 1 - task["share"])


@wrong(
    patience,
    misconception="not a multiple of 5",
    fails="a whole number of minutes, a multiple of 5",
    hint=1,
)
def as_text(task):
    return f"{by_quantile.answer(task)} minutes"
