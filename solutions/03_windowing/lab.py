# ---
# title: Windowing
# chapters: [2, 10, 18]
# questions: [6, 16]
# minutes: 75
# ---

# %% [markdown]
# # Windowing: what time is it in a stream?
#
# You look after the departures board of New York's three airports. Every time a flight leaves, a record arrives in Kafka, and the board must say: how many flights, and how late, hour by hour?
#
# It sounds like counting. By the end you will know why two people can count the same stream and both be right, and what to do about the flight that turns up three hours late.

# %%
from datetime import UTC, datetime, timedelta

from streamgym.data import flights
from streamgym.data.replay import log_times, replay
from streamgym.data.windows import EPOCH  # 1970-01-01 00:00 UTC
from streamgym.lab import Lab, pictures

lab = Lab("03_windowing", student="")  # write your name: it draws your own flights

# %% [markdown]
# The flights are real: New York, 2013. `scheduled` is the time in the timetable, `actual` is when the aircraft left. A record is sent when the flight leaves, so the list below is in the order in which the stream sees it.
#
# Look at row order and at `scheduled`. What is wrong?

# %%
begin = datetime(2013, 2, 22, 13, tzinfo=UTC)
morning = flights.departures(["JFK", "EWR"], begin, begin + timedelta(hours=6))
morning.iloc[60:72]

# %% [markdown]
# ## 1. Same flights, two answers
#
# Play the morning into Kafka twice, once faster than the other, and count flights in windows of half a second of the *machine's* clock. That is **processing time**: the time at which the program happens to see a record.

# %%
kafka = lab.kafka()
seen = {}
for name, pace in {"first replay": timedelta(hours=6), "second replay": timedelta(hours=4)}.items():
    times = log_times(kafka, replay(kafka, morning, pace=pace))
    numbers = [int((time - times[0]) / 0.5) for time in times]
    seen[name] = [numbers.count(number) for number in range(max(numbers) + 1)]
pictures.replays(seen)

# %% [markdown]
# Nothing about the flights changed, yet the counts did. A restart, a slow network, a night of catching up: each would change them again.
#
# A result that depends on when you compute it cannot be checked or repeated. So we use the time that the event carries: **event time**.

# %% [markdown]
# ## 2. Event time and arrival disagree
#
# Each point is a flight. On the grey line it would have become known at the very minute of its schedule. The further right of the line, the later the record came.

# %%
pictures.event_time(morning)

# %% [markdown]
# Remember this picture. Windows cut the *vertical* axis. The stream gives you points from left to right. So when may you close the window of 14:00? Points for it still arrive hours later.
#
# First, though: which window does an event belong to?

# %% [markdown]
# ## 3. Tumbling windows
#
# Tumbling windows have one size, touch and do not overlap. By convention they start at multiples of their size, counted from 1970-01-01 00:00 UTC, and they hold their start but not their end: `[start, start + size)`.
#
# **Exercise.** Return the start of the window that holds `time`.


# %%
def tumbling(time: datetime, size: timedelta) -> datetime:
    # BEGIN SOLUTION
    return EPOCH + (time - EPOCH) // size * size
    # END SOLUTION


# %%
lab.check("tumbling")

# %% [markdown]
# Stuck? `lab.hint("tumbling")` gives one hint at a time. `lab.progress()` shows how far you are.

# %% [markdown]
# ## 4. Sliding windows
#
# "The last hour, every 15 minutes" is a sliding window: size 60, slide 15. Windows now overlap. Flink and Bytewax say *sliding*, Kafka Streams and Spark's SQL say *hopping* or just `window` with a slide.
#
# Move the sliders. Make the slide smaller than the size: how many windows hold one flight?

# %%
pictures.explore(morning.head(150))

# %% [markdown]
# **Exercise.** Return the starts of *all* windows that hold `time`. Windows start at multiples of the slide.


# %%
def sliding(time: datetime, size: timedelta, slide: timedelta) -> list[datetime]:
    # BEGIN SOLUTION
    start = EPOCH + (time - EPOCH) // slide * slide
    starts = []
    while start + size > time:
        starts.append(start)
        start -= slide
    return starts[::-1]
    # END SOLUTION


# %%
lab.check("sliding")

# %% [markdown]
# ## 5. Session windows
#
# A session has no fixed size. It lasts as long as events keep coming and ends after a pause. Shops use it for visits; our airport uses it for *waves* of departures.
#
# **Exercise.** Cut `times` into sessions. A pause of `gap` or more starts a new one. Return `[first, last, number of events]` for each, in order. The times may come unordered.


# %%
def sessions(times: list[datetime], gap: timedelta) -> list[list]:
    # BEGIN SOLUTION
    found: list[list] = []
    for time in sorted(times):
        if found and time - found[-1][1] < gap:
            found[-1][1] = time
            found[-1][2] += 1
        else:
            found.append([time, time, 1])
    return found
    # END SOLUTION


# %%
lab.check("sessions")

# %% [markdown]
# ## 6. The watermark
#
# Back to the open question: when may a window close? A **watermark** is the program's promise: "I expect nothing older than this any more". The usual one is the newest event time seen so far, minus an allowed **lateness**.
#
# Below, the black line is the watermark. Red flights came behind it. Go back to the sliders and move the lateness: what does it cost, and what does it save?

# %%
pictures.timeline(morning, timedelta(hours=1), timedelta(hours=1), timedelta(minutes=30))

# %% [markdown]
# **Exercise.** `arrivals` is a list of `[flight, scheduled]` in order of arrival. Return the flights that are late: whose own time is *before* the watermark. A flight exactly at the watermark is not late.


# %%
def late_flights(arrivals: list[list], lateness: timedelta) -> list[str]:
    # BEGIN SOLUTION
    newest = EPOCH
    late = []
    for flight, scheduled in arrivals:
        newest = max(newest, scheduled)
        if scheduled < newest - lateness:
            late.append(flight)
    return late
    # END SOLUTION


# %%
lab.check("late_flights")

# %% [markdown]
# ## 7. What if late records are simply dropped?
#
# Many programs do just that, and say nothing. Guess first: does the mean delay on the board go up or down?

# %%
from streamgym.data import windows

late = windows.is_late(morning, timedelta(minutes=30))
print(f"all flights:           {morning['delay'].mean():5.1f} minutes late on average")
print(f"late records dropped:  {morning['delay'][~late].mean():5.1f} ({late.sum()} records gone)")

# %% [markdown]
# The board now praises the airport *because* its worst flights are missing. Late records are not a random sample. This is why a good pipeline sends them somewhere (a **side output**, a late topic) instead of dropping them.

# %% [markdown]
# ## 8. One silent partition
#
# A topic has partitions, and each has its own newest event time. Which one sets the watermark? Let us look at a live topic with four partitions, keyed by airport.

# %%
from kafka import KafkaConsumer, TopicPartition

topic = replay(kafka, morning, partitions=4)
consumer = KafkaConsumer(bootstrap_servers=kafka)
ends = consumer.end_offsets([TopicPartition(topic, number) for number in range(4)])
consumer.close()
{f"partition {p.partition}": f"{end} records" for p, end in ends.items()}

# %% [markdown]
# Two airports, four partitions: some partitions never see a record. If the watermark is the smallest over all partitions, it never moves, no window ever closes, and the state grows without end. If it is the largest, the slower airport's records are all late.
#
# Flink's answer is *idleness*: a partition without records for a while does not count until it speaks again.

# %% [markdown]
# **Exercise.** Each partition is `{"newest": event time of its newest record, "seen": machine time at which that came}`. A partition is idle when `now - seen` is at least `idle_after`. Return the watermark over the partitions that are not idle, or `None` when all are.


# %%
def watermark(
    partitions: list[dict], now: datetime, lateness: timedelta, idle_after: timedelta
) -> datetime | None:
    # BEGIN SOLUTION
    active = [p["newest"] for p in partitions if now - p["seen"] < idle_after]
    return min(active) - lateness if active else None
    # END SOLUTION


# %%
lab.check("watermark")

# %% [markdown]
# ## 9. The board, with Bytewax
#
# Now the real thing: a program of its own that reads flights from Kafka and writes a row per airport and hour. Bytewax keeps one watermark *per key*. Its `EventClock` wants two things: where the event's time is, and how long to wait for late ones.
#
# **Exercise.** Write the dataflow. Use tumbling windows of one hour on `scheduled`, aligned to the full hour; the watermark of each airport is its newest `scheduled` minus `LATENESS_MINUTES`. For each window write `{"airport", "start", "flights", "mean_delay"}` as JSON to `OUTPUT_TOPIC`. Late records go, as they came, to `LATE_TOPIC`.

# %% worker="hourly_delays"
import json
import os
from datetime import UTC, datetime, timedelta

from bytewax import operators as op
from bytewax.connectors.kafka import KafkaSinkMessage
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.operators import windowing as win
from bytewax.testing import run_main

BROKERS = [os.environ["KAFKA_BOOTSTRAP_SERVERS"]]
LATENESS = timedelta(minutes=int(os.environ["LATENESS_MINUTES"]))


def scheduled(flight: dict) -> datetime:
    return datetime.fromisoformat(flight["scheduled"])


def message(value: dict) -> KafkaSinkMessage:
    return KafkaSinkMessage(None, json.dumps(value).encode())


flow = Dataflow("hourly_delays")
records = kop.input("read", flow, brokers=BROKERS, topics=[os.environ["INPUT_TOPIC"]], tail=False)
parsed = op.map("parse", records.oks, lambda record: json.loads(record.value))
by_airport = op.key_on("airport", parsed, lambda flight: flight["airport"])

# BEGIN SOLUTION
clock = win.EventClock(scheduled, wait_for_system_duration=LATENESS)
hours = win.TumblingWindower(length=timedelta(hours=1), align_to=datetime(2013, 1, 1, tzinfo=UTC))
windowed = win.collect_window("hours", by_airport, clock, hours)


def row(item: tuple) -> dict:
    airport, (number, found) = item
    start = datetime(2013, 1, 1, tzinfo=UTC) + number * timedelta(hours=1)
    delays = [flight["delay"] for flight in found]
    mean = sum(delays) / len(delays)
    return {
        "airport": airport,
        "start": start.isoformat(),
        "flights": len(delays),
        "mean_delay": mean,
    }


rows = op.map("row", windowed.down, row)
late = op.map("flight", windowed.late, lambda item: item[1][1])
# STARTER raise NotImplementedError("make `rows` (a dict per window) and `late` (the late flights)")
# END SOLUTION

kop.output(
    "board", op.map("to_row", rows, message), brokers=BROKERS, topic=os.environ["OUTPUT_TOPIC"]
)
kop.output(
    "late", op.map("to_late", late, message), brokers=BROKERS, topic=os.environ["LATE_TOPIC"]
)
run_main(flow)

# %%
lab.check("hourly_delays")

# %% [markdown]
# The check sent your worker fresh flights of three airports on four partitions, one of them empty, and then read both topics.
#
# Would your program survive being killed half way? Not yet. That is what the labs on delivery guarantees and exactly-once are about.

# %% [markdown]
# ## 10. Closed windows only, with Spark
#
# Spark's Structured Streaming cuts the stream into **micro-batches**. First look at *update* mode: after each batch it tells you every window that changed. Watch one window come out again and again.

# %%
from pyspark.sql import functions as F

spark = lab.spark()
stream = flights.read_stream(spark, kafka, replay(kafka, morning), per_batch=80)
hour = F.window("scheduled", "1 hour").start.alias("start")
counts = stream.groupBy("airport", hour).agg(F.count("*").alias("flights"))
query = (
    counts.writeStream.format("memory")
    .queryName("updates")
    .outputMode("update")
    .trigger(availableNow=True)
    .start()
)
query.awaitTermination()
spark.table("updates").where("airport = 'JFK'").toPandas().sort_values("start").head(8)

# %% [markdown]
# A dashboard can live with that. A table that is only ever appended to, or an e-mail, cannot: it needs each window *once*, when it is closed. That is **append** mode, and it needs a watermark. Without one Spark could never let go of a window.

# %% [markdown]
# **Exercise.** `stream` has the columns `flight`, `airport`, `scheduled`, `actual` and `delay`. Return a streaming DataFrame with `airport`, `start`, `flights` and `mean_delay` per hour of `scheduled`, allowing 90 minutes of lateness. It will be run in append mode.

# %%
from pyspark.sql import DataFrame


def closed_windows(stream: DataFrame) -> DataFrame:
    # BEGIN SOLUTION
    return (
        stream.withWatermark("scheduled", "90 minutes")
        .groupBy("airport", F.window("scheduled", "1 hour").alias("hour"))
        .agg(F.count("*").alias("flights"), F.avg("delay").alias("mean_delay"))
        .select("airport", F.col("hour.start").alias("start"), "flights", "mean_delay")
    )
    # END SOLUTION


# %%
lab.check("closed_windows")

# %% [markdown]
# Two engines, two rules. Bytewax calls a record late as soon as it is behind its airport's watermark. Spark has one watermark for the whole query, moves it only between batches, and drops a record only when its *window* is already closed. The same words, other results: always ask which rule applies.

# %% [markdown]
# ## 11. How long should you wait?
#
# Lateness is a trade: each minute more loses fewer records and makes every result a minute older. Your own airport, day and share come from your name.
#
# **Exercise.** Choose the smallest whole multiple of 5 minutes for which at most `task["share"]` of these flights come behind the watermark. It is one watermark for the whole airport, and a flight exactly at it is not late.

# %%
task = lab.task("patience")
print(task["airport"], f"{task['share']:.0%}", len(task["flights"]), "flights")

# %%
# BEGIN SOLUTION
behind = task["flights"]["scheduled"].cummax() - task["flights"]["scheduled"]
patience = 0
while (behind > timedelta(minutes=patience)).mean() > task["share"]:
    patience += 5
# STARTER patience = ...  # minutes
# END SOLUTION

# %%
lab.check("patience")

# %% [markdown]
# ## What you can now answer
#
# - *What kinds of window are there?* Tumbling, sliding, session; and what each is for.
# - *How do you handle late events?* Event time, a watermark with a lateness that you can defend with numbers, and a place for what comes later still.
# - *Why does my windowed job print nothing?* An idle partition, or a watermark that never passes the window's end.
# - *Why did the numbers change when we ran it again?* Somebody used processing time.

# %%
lab.progress()
