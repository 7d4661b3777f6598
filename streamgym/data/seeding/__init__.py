"""Loading ekart into Postgres, Parquet or Kafka: each batch once, whatever happens meanwhile.

A sink commits batches and the marks that they are there as one: a row in the same transaction, a
record in the same transaction, a file by its name. So whoever is killed and starts again finds
out what is there, and neither doubles nor loses a record.
"""

from streamgym.data.seeding.load import Loaded, Sink, load
from streamgym.data.seeding.targets import open_sink

__all__ = ["Loaded", "Sink", "load", "open_sink"]
