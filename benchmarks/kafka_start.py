"""What a start of Kafka costs: as Kafka's own scripts start it, against ours, warm.

Both in one run, alternating, on the same jars, formatted storage and server.properties; a start
ends with the first answered metadata request. Aim: a ratio of at most 0.6, at most 400 MB.
"""

import os
import statistics
import time
from pathlib import Path

import psutil

from streamgym.stack import jars
from streamgym.stack.java import java
from streamgym.stack.kafka import LOGGING, Kafka
from streamgym.stack.kept import Kept
from streamgym.stack.ports import free_port
from streamgym.stack.prepare import prepare

ROUNDS = 5
PLAIN = [
    "-Xmx1G",
    "-Xms1G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    f"-Dlog4j2.configurationFile={LOGGING}",
]
"""The options of Kafka's own kafka-server-start.sh and kafka-run-class.sh."""


class PlainKafka(Kafka):
    """The same broker, started with the options of Kafka's own scripts."""

    def _launch(self, cleanup: list[Path]) -> Kept:
        self.port, controller = free_port(self.port), free_port()
        config = self._configure(self.home, controller)
        path = os.pathsep.join(map(str, jars.jars("kafka")))
        return Kept.start(
            [str(java()), *PLAIN, "-cp", path, "kafka.Kafka", str(config)],
            env=dict(os.environ),
            cwd=self.home,
            log=self.log,
            cleanup=cleanup,
        )


def main() -> None:
    """Measure, and print the medians, the ratio and the memory."""
    prepare()
    kinds = (PlainKafka, Kafka)
    rounds = [[measured(kind) for kind in kinds] for _ in range(ROUNDS)]
    (plain, plain_size), (ours, size) = (medians(column) for column in zip(*rounds, strict=True))
    print(f"plain java {plain:5.2f} s {plain_size:4.0f} MB   (median of {ROUNDS})")
    print(f"streamgym  {ours:5.2f} s {size:4.0f} MB   ratio {ours / plain:.2f}")


def measured(kind: type[Kafka]) -> tuple[float, float]:
    """Return the seconds to the first answer, and the megabytes it holds then."""
    begin = time.perf_counter()
    with kind() as broker:
        seconds = time.perf_counter() - begin
        return seconds, psutil.Process(broker.kept.pid).memory_info().rss / 1e6


def medians(column: tuple[tuple[float, float], ...]) -> tuple[float, ...]:
    """Return the median of the seconds, and of the megabytes."""
    return tuple(statistics.median(values) for values in zip(*column, strict=True))


if __name__ == "__main__":
    main()
