"""Queries that cross as messages, and what a streaming one gives, on a real Spark and Kafka."""

import random

import pandas as pd
import pytest
from pyspark.sql import functions as F

from streamgym.checks import Case, plans
from streamgym.checks.answers import Raised, Ungradable
from streamgym.data import flights, windows

pytestmark = pytest.mark.stack
HOUR, PATIENCE, BATCH = "1 hour", "90 minutes", 70


class World:
    def __init__(self, kafka, spark):
        self.kafka, self.spark = lambda: kafka, lambda: spark


@pytest.fixture(scope="module")
def day():
    return flights.draw(random.Random(3), airports=1, hours=9)


@pytest.fixture
def source(kafka, spark, day):
    """The message of a stream of the day's flights."""
    with Case(1, World(kafka, spark)) as case:
        topic = case.topic(flights.records(day))
        yield plans.to_message(flights.read_stream(spark, kafka, topic, BATCH))


def hourly(stream):
    waiting = stream.withWatermark("scheduled", PATIENCE)
    counted = waiting.groupBy("airport", F.window("scheduled", HOUR).alias("hour")).count()
    return counted.select("airport", F.col("hour.start").alias("start"), "count")


def applied(function, source, spark):
    return plans.to_message(function(plans.to_frame(source, spark)))


def test_a_query_survives_as_a_message(spark):
    message = plans.to_message(spark.range(5))
    doubled = applied(lambda frame: frame.select(F.col("id") * 2), message, spark)
    assert [row[0] for row in plans.to_frame(doubled, spark).collect()] == [0, 2, 4, 6, 8]


def test_append_mode_is_as_the_oracle_says(source, spark, day):
    found = plans.stream(applied(hourly, source, spark), spark)
    hour, patience = pd.Timedelta(HOUR), pd.Timedelta(PATIENCE)
    due = windows.append_mode(day, hour, patience, BATCH)
    wanted = {(r.airport, f"{r.start:%H:%M}"): r.flights for r in due.windows.itertuples()}
    assert {(r["airport"], f"{r['start']:%H:%M}"): r["count"] for r in found.rows} == wanted
    assert found.state_rows == due.still_open > 0
    assert len(found.progress) >= len(day) // BATCH


def test_a_query_that_spark_refuses_is_one_line(source, spark):
    refused = applied(lambda stream: stream.groupBy("airport").count(), source, spark)
    error = plans.stream(refused, spark)
    assert isinstance(error, Raised)
    assert "watermark" in error.error.lower()
    assert "\n" not in error.error


def test_a_query_that_does_not_end_is_ungradable_and_stopped(source, spark):
    slow = applied(
        lambda stream: stream.filter(F.expr("java_method('java.lang.Thread', 'sleep', 500L) = 0")),
        source,
        spark,
    )
    with pytest.raises(Ungradable, match="did not end within 1 s"):
        plans.stream(slow, spark, seconds=1)
    assert spark.streams.active == []
