"""How much faster two at a time are than one, and how far the start of the systems is hidden.

Lab 03's perfect submission, with worker and Spark, graded again and again in one run: with
``--jobs 1`` and with ``--jobs 2``. Hidden is what is started while others are graded; what is left
to wait for is printed as a share of a submission's wall time. Aims: 1.6 times; under 10 %.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from streamgym.checks.labs import course_root
from streamgym.grading.batch import grade_all
from streamgym.grading.world import GradingWorld
from streamgym.grading.worlds import Ways, Worlds

SUBMISSION = course_root() / "tests" / "submissions" / "ada_perfect.ipynb"
COPIES = 20


def main() -> None:
    """Measure, and print both ratios."""
    took = {}
    with tempfile.TemporaryDirectory() as folder:
        submissions = Path(folder) / "in"
        submissions.mkdir()
        for number in range(COPIES):
            shutil.copy(SUBMISSION, submissions / f"student{number}.ipynb")
        for jobs in (1, 2):
            with waits_noted() as waits:
                began = time.perf_counter()
                rows = grade_all(
                    [submissions], Path(folder) / f"out{jobs}", jobs=jobs, progress=False
                )
                took[jobs] = time.perf_counter() - began
            assert all(row.score == row.max_score for row in rows), rows
            # The first have nothing that their start could hide behind.
            shares = [w / r.seconds for w, r in zip(waits, rows, strict=True)][jobs:]
            print(
                f"--jobs {jobs}: {took[jobs]:5.1f} s, {60 * COPIES / took[jobs]:4.1f} a minute, "
                f"waiting for systems {statistics.mean(shares):.1%} of a submission's time"
            )
    print(f"two at a time are {took[1] / took[2]:.2f} times as fast as one")


@contextmanager
def waits_noted() -> Iterator[list[float]]:
    """Note how long each submission waits for its world, in the order of grading."""
    waits: list[float] = []
    ways = Worlds.ways

    def noted(worlds: Worlds, *asked: object) -> Ways:
        first, *others = ways(worlds, *asked)  # type: ignore[arg-type]
        return (timed(first, waits), *others)

    with patch.object(Worlds, "ways", noted):
        yield waits


def timed(come_by: Callable[[], GradingWorld], waits: list[float]) -> Callable[[], GradingWorld]:
    """Return what comes by a world, and notes how long it has taken, until its Spark is up too.

    That is an upper bound: cells are run before Spark is up.
    """

    def world() -> GradingWorld:
        began = time.perf_counter()
        found = come_by()
        found._spark_started.result()
        waits.append(time.perf_counter() - began)
        return found

    return world


if __name__ == "__main__":
    main()
