"""Many submissions in one run: is memory flat, does nothing leak, do marks stay the same?

The submissions are the samples, each again and again with a comment of its own. Every tenth of the
way the grader's memory, open files and processes below it are printed. At the end all copies of a
sample must have its marks. ``python benchmarks/soak.py 300`` takes an hour on two cores.
"""

import csv
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from threading import Event, Thread

import nbformat
import psutil
from nbformat.v4 import new_markdown_cell

from streamgym.checks.labs import course_root
from streamgym.grading.batch import grade_all
from streamgym.grading.gradebook import Gradebook

SAMPLES = course_root() / "tests" / "submissions"
NUMBER = 24
JOBS = 2
LOOK_SECONDS = 1.0


def main() -> None:
    """Grade so many submissions, and print what the grader uses meanwhile."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else NUMBER
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        mutate(here / "in", number)
        began, done = time.monotonic(), Event()
        watcher = Thread(target=watch, args=[here / "out", number, done])
        watcher.start()
        try:
            grade_all([here / "in"], here / "out", jobs=JOBS, progress=False)
        finally:
            done.set()
            watcher.join()
        minutes = (time.monotonic() - began) / 60
        print(f"{number} submissions in {minutes:.1f} minutes, {number / minutes:.1f} a minute")
        require_equal_marks(here / "out" / "gradebook.csv")
    left = psutil.Process().children(recursive=True)
    print(f"processes left: {len(left)}; marks equal to those of the first time")
    assert not left, left


def mutate(folder: Path, number: int) -> None:
    """Write so many copies of the samples, no two with the same bytes."""
    folder.mkdir()
    samples = sorted(SAMPLES.glob("*.ipynb"))
    for copy in range(number):
        sample = samples[copy % len(samples)]
        target = folder / f"{sample.stem}--{copy // len(samples)}.ipynb"
        try:
            notebook = nbformat.read(sample, as_version=4)
        except ValueError:  # one of the samples is no notebook
            shutil.copy(sample, target)
            continue
        notebook.cells.append(new_markdown_cell(f"Copy {copy}."))
        nbformat.write(notebook, target)


def watch(out: Path, number: int, done: Event) -> None:
    """Print what this process uses whenever a tenth of the submissions has been graded."""
    me, tenths = psutil.Process(), 0
    while not done.wait(LOOK_SECONDS):
        graded = len(Gradebook(out).rows()) if (out / "results.sqlite").exists() else 0
        if graded * 10 // number > tenths:
            tenths = graded * 10 // number
            print(
                f"{graded:4} graded: {me.memory_info().rss / 1e6:6.0f} MB, {me.num_fds():4} open "
                f"files, {me.num_threads():3} threads, {len(me.children(recursive=True)):3} below",
                flush=True,
            )


def require_equal_marks(path: Path) -> None:
    """Make sure that all copies of a sample have the same verdicts and points."""
    marks = defaultdict(set)
    with path.open() as file:
        for row in csv.DictReader(file):
            told = tuple(v for k, v in row.items() if k.endswith(("status", "verdict", "points")))
            marks[row["student"].partition("--")[0]].add(told)
    differing = {name: found for name, found in marks.items() if len(found) > 1}
    assert not differing, differing


if __name__ == "__main__":
    main()
