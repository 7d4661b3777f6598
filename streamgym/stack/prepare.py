"""Preparing fast starts, once: jars, a formatted log folder, and the JVMs' caches."""

import json
import os
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
from rich.console import Console

from streamgym.stack import aot, jars, kafka, paths, spark
from streamgym.stack.kafka import Kafka
from streamgym.stack.server import Server
from streamgym.stack.session import close_session, spark_session
from streamgym.stack.spark import Spark

TOPIC = "training"


def prepare() -> None:
    """Download and prepare all that a fast start needs; at once when that was done before.

    Raises:
        StreamgymError: something could not be fetched, or a server did not start.
    """
    caches = kafka.aot_cache(), spark.aot_cache()
    if all(cache.exists() for cache in caches) and kafka.formatted().exists():
        return
    with FileLock(paths.cache() / "prepare.lock"), Console(stderr=True).status("preparing …"):
        kafka.formatted()
        jars.jars("spark")
        if aot.is_offered():
            _train(Kafka, caches[0], lambda _: None)
            _train(Spark, caches[1], _query)


def _train(kind: type[Server], cache: Path, use: Callable[[str], None]) -> None:
    """Use a server once, in order that its JVM keeps what it loaded."""
    if cache.exists():
        return
    for left in cache.parent.glob(f"{cache.stem}.[0-9]*"):
        left.unlink()  # of a training that was killed
    server = kind()
    server.training = cache.with_suffix(f".{os.getpid()}")
    with server:
        use(server.address)
    if server.training.exists():
        aot.keep(server.training, cache)


def _query(remote: str) -> None:
    """Run a streaming query over Kafka, as the labs do."""
    from pyspark.sql import functions as F

    session = spark_session(remote)
    with Kafka() as broker:
        _produce(broker.bootstrap_servers)
        records = session.readStream.format("kafka").option("subscribe", TOPIC)
        records = records.option("kafka.bootstrap.servers", broker.bootstrap_servers)
        records = records.option("startingOffsets", "earliest").option("maxOffsetsPerTrigger", 20)
        row = F.from_json(F.col("value").cast("string"), "time timestamp, size double").alias("row")
        rows = records.load().select(row).select("row.*").withWatermark("time", "1 hour")
        means = rows.groupBy(F.window("time", "1 hour")).agg(F.count("*"), F.avg("size"))
        writer = means.writeStream.format("memory").queryName(TOPIC).outputMode("append")
        writer.trigger(availableNow=True).start().awaitTermination(60)
        session.table(TOPIC).collect()
    close_session(remote)


def _produce(servers: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=servers)
    admin.create_topics([NewTopic(TOPIC, 1, 1)])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=servers)
    for minute in range(60):
        record = {"time": f"2013-01-01T{minute % 24:02}:{minute:02}:00Z", "size": minute}
        producer.send(TOPIC, json.dumps(record).encode())
    producer.flush()
    producer.close()
