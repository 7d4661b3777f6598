"""The three places that ekart can go to, by name.

A server that is started for it stays, as after ``streamgym up``: who seeds wants to look at it.
"""

import os
from pathlib import Path

from streamgym.data.ekart import Ekart
from streamgym.data.seeding.load import Sink
from streamgym.errors import StreamgymError
from streamgym.stack import shared

TARGETS = ("kafka", "postgres", "parquet")


def open_sink(to: str, shop: Ekart, folder: Path | None) -> tuple[Sink, str]:
    """Return the sink of this name, and where it is; a system that does not run is started.

    Raises:
        StreamgymError: what is asked for does not go together.
    """
    if to not in TARGETS:
        raise StreamgymError(f"--to {to} is none of {', '.join(TARGETS)}")
    if (to == "parquet") != (folder is not None):
        raise StreamgymError("--out names the folder for --to parquet, and only for that")
    if folder:
        from streamgym.data.seeding.parquet import ParquetSink

        return ParquetSink(folder, shop), f"{folder}{os.sep}"
    if to == "kafka":
        from streamgym.data.ekart_events import TOPICS
        from streamgym.data.seeding.kafka import KafkaSink

        servers = address("kafka")
        return KafkaSink(servers, shop), f"the topics {', '.join(TOPICS)} at {servers}"
    if shop.duplicates or shop.late or shop.malformed:
        raise StreamgymError(
            "keys and constraints refuse duplicates and malformed events, and late ones are not "
            "to be seen in tables: use --to kafka or --to parquet"
        )
    from streamgym.data.seeding.postgres import SCHEMA, PostgresSink

    url = address("postgres")
    return PostgresSink(url, shop), f"the schema {SCHEMA} of {url}"


def address(name: str) -> str:
    """Return the address that the environment names, or that of our own, which stays up."""
    return os.environ.get(shared.ELSEWHERE[name]) or shared.up([name])[name]
