import pytest
from pyspark.sql import functions as F

from streamgym.checks import plans, stages
from streamgym.checks.answers import Raised, Ungradable
from streamgym.checks.stages import Measured, Stage, Task

pytestmark = pytest.mark.stack
PLAIN = {
    "spark.sql.adaptive.enabled": False,
    "spark.sql.shuffle.partitions": 4,
    "spark.sql.autoBroadcastJoinThreshold": -1,
}


def run(frame, spark, **others):
    return stages.run(plans.to_message(frame), spark, PLAIN, **others)


def hot(spark):
    return spark.range(1000).withColumn("key", F.expr("CASE WHEN id < 900 THEN 0 ELSE id END"))


def test_the_hot_key_is_seen_in_the_task_records(spark):
    got = run(hot(spark).repartition(4, "key"), spark)
    assert len(got.rows) == 1000
    assert got.shuffled == got.skewed.shuffle_read == 1000
    assert len(got.skewed.tasks) == 4
    assert 0.9 <= got.largest_share < 1


def test_settings_do_not_reach_the_session_that_they_were_not_for(spark):
    before = spark.conf.get("spark.sql.shuffle.partitions")
    run(hot(spark), spark)
    assert spark.conf.get("spark.sql.shuffle.partitions") == before


def test_broadcast_and_joined_rows_are_counted(spark):
    few = spark.range(10).withColumnRenamed("id", "key")
    got = run(hot(spark).join(F.broadcast(few), "key"), spark)
    assert (got.broadcast, got.joined, got.shuffled) == (10, 900, 0)


def test_two_received_queries_columns_are_told_apart(spark):
    one, other = (plans.to_frame(plans.to_message(spark.range(n)), spark) for n in (3, 5))
    got = run(one.join(other, one["id"] == other["id"] - 1).select(one["id"]), spark)
    assert sorted(row["id"] for row in got.rows) == [0, 1, 2]


def test_files_are_counted(spark, tmp_path):
    hot(spark).repartition(3).write.parquet(str(tmp_path / "table"))
    assert run(spark.read.parquet(str(tmp_path / "table")), spark).files_read == 3


def test_what_is_written_is_measured(spark, tmp_path):
    message = plans.to_message(hot(spark).repartition(3))
    got = stages.write(message, spark, lambda frame: frame.write.parquet(str(tmp_path / "t")))
    assert sum(task.output for stage in got.stages for task in stage.tasks) == 1000


def test_a_query_without_a_job_has_no_stages(spark):
    got = run(spark.range(5).limit(0), spark)
    assert (got.rows, got.largest_share) == ([], 0.0)


def test_a_query_that_fails_is_told(spark):
    got = run(spark.range(5).select(F.raise_error(F.lit("no"))), spark)
    assert isinstance(got, Raised)
    assert "no" in got.error


def test_too_many_rows_are_not_read(spark, monkeypatch):
    monkeypatch.setattr(stages, "MOST_ROWS", 100)
    got = run(spark.range(1000), spark)
    assert isinstance(got, Raised)
    assert "more than 100 rows" in got.error


def test_a_query_that_does_not_end_is_ungradable(spark):
    endless = spark.range(10**14).agg(F.sum(F.expr("hash(id)")))
    with pytest.raises(Ungradable, match="did not end within 2 s"):
        run(endless, spark, seconds=2)
    assert len(run(spark.range(3), spark).rows) == 3


def test_without_spark_s_pages_nothing_is_judged(spark, monkeypatch):
    monkeypatch.setattr(stages._Rest, "told", told_elsewhere(stages._Rest.told))
    with pytest.raises(Ungradable, match="must be reachable"):
        run(spark.range(3), spark)


def told_elsewhere(told):
    def elsewhere(rest, *tags):
        rest.base = "http://127.0.0.1:1/api"
        return told(rest, *tags)

    return elsewhere


def test_small_stages_are_not_called_skewed():
    small = Stage(1, (Task(shuffle_read=5), Task()))
    large = Stage(2, (Task(shuffle_read=300), Task(shuffle_read=100)))
    assert Measured(stages=(small, large)).largest_share == 0.75
    assert Measured(stages=(small,)).largest_share == 0.0
