"""What trusted grading costs: the perfect submission, graded, against a bare papermill run.

Both in one run, alternating. Graded means: in a sandbox, in a world of its own, with all checks on
secret data. Bare means: papermill runs the same notebook on a stack that already runs, and the
checks are those of the notebook. Aim: a ratio of at most 1.5.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import papermill

from streamgym.checks.labs import course_root
from streamgym.grading.batch import grade_all
from streamgym.stack.kafka import Kafka
from streamgym.stack.prepare import prepare
from streamgym.stack.spark import Spark

SUBMISSION = course_root() / "tests" / "submissions" / "ada_perfect.ipynb"
ROUNDS = 3


def main() -> None:
    """Measure, and print the ratio and where the time goes."""
    prepare()
    bare, graded = [], []
    with tempfile.TemporaryDirectory() as folder, Kafka() as broker, Spark() as spark:
        here = Path(folder)
        env = {"KAFKA_BOOTSTRAP_SERVERS": broker.address, "SPARK_REMOTE": spark.address}
        env["STREAMGYM_STATE"] = folder
        for number in range(ROUNDS):
            bare.append(seconds(partial(run_bare, here / f"{number}.ipynb", env)))
            graded.append(seconds(partial(grade_alone, here / str(number))))
        profile = cells(here / "0.ipynb")
    one, other = statistics.median(bare), statistics.median(graded)
    print(f"bare papermill {one:5.1f} s   graded {other:5.1f} s   ratio {other / one:.2f}")
    print("the notebook's slowest cells, bare:")
    for duration, text in sorted(profile, reverse=True)[:5]:
        print(f"  {duration:5.1f} s  {text}")


def run_bare(output: Path, env: dict[str, str]) -> None:
    """Run the notebook with papermill on the stack that these variables name."""
    os.environ.update(env)
    try:
        papermill.execute_notebook(
            SUBMISSION, output, progress_bar=False, cwd=course_root() / "labs" / "03_windowing"
        )
    finally:
        for name in env:
            del os.environ[name]


def grade_alone(out: Path) -> None:
    """Grade the notebook, from nothing to its row in the gradebook."""
    (row,) = grade_all([SUBMISSION], out, progress=False)
    assert row.score == row.max_score, row


def cells(notebook: Path) -> list[tuple[float, str]]:
    """Return how long each cell took, and how it begins."""
    import nbformat

    found = nbformat.read(notebook, as_version=4).cells
    code = [cell for cell in found if cell.cell_type == "code"]
    return [(c.metadata.papermill.duration or 0.0, c.source.splitlines()[0][:60]) for c in code]


def seconds(work: Callable[[], object]) -> float:
    """Return how long a piece of work takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
