"""Crash sweeps repeated: the same worker, case and seed must give the same verdict every time.

Prints, for right and wrong workers of the labs, how often each verdict and hint came, and the
median of the seconds that a crash point costs. Aim: one verdict each, at most 3 s a point on 2
cores. The number of repetitions is the first argument; 10 when it is not given.
"""

import statistics
import sys
import time
from collections import Counter

from streamgym.checks import Case
from streamgym.checks.served import Served
from streamgym.course.verify import Trial, trials
from streamgym.course.world import OwnWorld
from streamgym.lab.scripts import workspace

EXERCISES = [("04_delivery_guarantees", "at_least_once"), ("05_exactly_once", "exactly_once")]
OF_EACH = 3
"""How many right and how many wrong answers of each exercise."""

SEED = 7


def main(repetitions: int) -> None:
    """Repeat, and print what came."""
    groups = [
        [trial for trial in trials(lab) if trial.exercise.name == exercise and due in trial.due]
        for lab, exercise in EXERCISES
        for due in ("passes", "fails")
    ]
    with OwnWorld() as world:
        for number in range(OF_EACH):
            for group in groups:
                report(group[number], world, repetitions)


def report(trial: Trial, world: OwnWorld, repetitions: int) -> None:
    """Print the verdicts of one worker."""
    outcomes = [judged(trial, world) for _ in range(repetitions)]
    verdicts = Counter(verdict for verdict, _ in outcomes)
    said = "; ".join(f"{times} times {verdict}" for verdict, times in verdicts.most_common())
    a_point = statistics.median(seconds for _, seconds in outcomes)
    print(f"{trial.exercise.name:14} {trial.name:28} {a_point:4.1f} s a point   {said}", flush=True)


def judged(trial: Trial, world: OwnWorld) -> tuple[str, float]:
    """Return the verdict with its hint, and the seconds for each crash point."""
    crashes: list[str] = []
    answers = Served(lambda _: "null", {trial.exercise.name: trial.script}, workspace)
    begin = time.perf_counter()
    with Case(SEED, world, progress=crashes.append) as case:
        result = trial.exercise.grade(answers, case)
    seconds = time.perf_counter() - begin
    failed = next((e.name for e in result.expectations if not e.passed), "")
    return f"{result.verdict} {failed or result.reason}".strip(), seconds / max(1, len(crashes))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
