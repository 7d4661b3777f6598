"""Kafka topics as Spark's streaming DataFrames."""

from typing import Any


def read(spark: Any, servers: str, topic: str, per_batch: int) -> Any:
    """Return a topic from its beginning: key, value, topic, partition, offset, timestamp.

    Args:
        spark: the SparkSession to read with.
        servers: the broker's bootstrap servers.
        topic: the topic's name.
        per_batch: records per micro-batch (Spark's ``maxOffsetsPerTrigger``).
    """
    return (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", servers)
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", per_batch)
        .load()
    )


def read_json(spark: Any, servers: str, topic: str, schema: str, per_batch: int) -> Any:
    """Return a topic of JSON records as columns of this schema, and ``arrived``.

    ``arrived`` is when Kafka's log got the record; the arguments are those of :func:`read`.
    """
    from pyspark.sql.functions import col, from_json

    record = from_json(col("value").cast("string"), schema).alias("record")
    raw = read(spark, servers, topic, per_batch)
    return raw.select(record, col("timestamp").alias("arrived")).select("record.*", "arrived")
