"""streamgym: learn stream and batch processing by doing, on a real Kafka and a real Spark."""
