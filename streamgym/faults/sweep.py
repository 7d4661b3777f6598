"""The crash sweep: a worker is killed at every point of its own run where a crash could matter.

The worker is run once without a fault, and its requests are noted. Then, for each point that its
own run has, it is run on a fresh stage, killed there, started again, and what it has left behind
is judged. Points of one kind repeat with every batch: those of the first batch are tried, and
those of a later one, which the seed draws.

Between the answer to one request and the next request only a worker's memory changes, unless it
keeps files. So *killed after a request* and *killed before the next* are one point, but for a
worker that has left files in its folder.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count, groupby
from pathlib import Path
from random import Random
from typing import Any

from streamgym.faults.actions import Action, KillAfter, KillBefore, KillMeanwhile, Rule
from streamgym.faults.process import OpenWorkspace, Process, Run, Workspace, finish
from streamgym.faults.proxy import Proxy
from streamgym.faults.trace import Event, Trace

AT_ONCE = 4
"""How many points are tried at a time."""

SECONDS = 60.0
"""How long a worker may take to its end."""

LANE = "worker"

Broken = Mapping[str, list[Any]]
"""For each property, by name, the ids of what breaks it; none for one that holds."""

WHEN = {
    "before": "killed before the {} arrived",
    "after": "killed after the {} had arrived, before its answer came back",
    "meanwhile": "killed while the {} was still on its way",
}


@dataclass(frozen=True)
class Point:
    """Where a worker is killed: before, after or meanwhile the how manieth request of a kind."""

    when: str
    kind: str
    number: int

    def __str__(self) -> str:
        return WHEN[self.when].format(f"{ordinal(self.number)} {self.kind}")

    def rule(self, kill: Callable[[], None]) -> Rule:
        """Return the rule that kills there."""
        actions: dict[str, Action] = {
            "before": KillBefore(kill),
            "after": KillAfter(kill),
            "meanwhile": KillMeanwhile(kill, self.kind),
        }
        return Rule(self.kind, actions[self.when], self.number)


@dataclass(frozen=True)
class Stage:
    """Fresh systems for one run: what the worker is told, and how what it did is judged.

    Attributes:
        env: the worker's environment variables; addresses in it lead through the proxy.
        judge: says what is broken, once the worker has come to its end.
        files: says what is broken in the folder that the worker has run in.
        release: removes dead members from consumer groups, so that nobody waits for them.
    """

    env: Mapping[str, str]
    judge: Callable[[], Broken] = dict
    release: Callable[[set[str]], None] = lambda _: None
    files: Callable[[Path], Broken] = lambda _: {}


@dataclass(frozen=True)
class Trial:
    """One run of a worker; ``point`` is None for the run without a fault.

    ``reached`` tells whether the worker came to the point; one that did not was not killed.
    ``keeps_files`` tells whether it has left files in its folder.
    """

    point: Point | None
    reached: bool
    run: Run
    broken: Broken
    trace: Trace = field(repr=False)
    keeps_files: bool = False


@dataclass(frozen=True)
class Sweep:
    """All that was found about a worker."""

    clean: Trial
    crashes: list[Trial]

    @property
    def reached(self) -> list[Trial]:
        """The trials in which the worker was killed."""
        return [trial for trial in self.crashes if trial.reached]


def sweep(
    open_workspace: Callable[[], OpenWorkspace],
    stage: Callable[[], Stage],
    rng: Random,
    seconds: float = SECONDS,
    progress: Callable[[str], None] = lambda _: None,
) -> Sweep:
    """Run a worker without a fault, and then once for each point of that run.

    A worker that is wrong without a fault already is not killed.

    Args:
        open_workspace: opens a fresh folder of the worker.
        stage: makes fresh systems for a run.
        rng: draws which later batch is tried.
        seconds: how long the worker may take to its end.
        progress: is told how far the sweep is.

    Raises:
        Ungradable: the worker did not come to its end in time.
        NotAttempted: it raised NotImplementedError.
    """
    clean = run_once(open_workspace, stage(), None, seconds)
    if clean.run.returncode or any(clean.broken.values()):
        return Sweep(clean, [])
    found = points(clean.trace.durable(LANE), rng, keeps_files=clean.keeps_files)
    done = count(1)

    def crashed(point: Point) -> Trial:
        trial = run_once(open_workspace, stage(), point, seconds)
        progress(f"killed at {next(done)} of {len(found)} points of its run")
        return trial

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return Sweep(clean, list(pool.map(crashed, found)))


def run_once(
    open_workspace: Callable[[], OpenWorkspace],
    stage: Stage,
    point: Point | None = None,
    seconds: float = SECONDS,
    rules: Iterable[Rule] = (),
) -> Trial:
    """Run a worker on a stage; when there is a point, kill it there and start it again.

    ``rules`` disturb its requests otherwise, such as by losing an answer.

    Raises:
        Ungradable: the worker did not come to its end in time.
        NotAttempted: it raised NotImplementedError.
    """
    with open_workspace() as here, Proxy(rules) as proxy:
        env = proxy.environment(dict(stage.env), LANE)
        started: list[Process] = []
        rule = point.rule(lambda: started[0].kill()) if point else None
        proxy.rules += [rule] if rule else []
        started.append(here.start(env))
        run = finish(started[0], seconds)
        reached = bool(rule and rule.times == 0)
        if rule and reached:
            rule.done.wait(seconds)
            run = _restarted(proxy, here, env, stage, seconds)
        broken = {**stage.judge(), **stage.files(here.folder)}
        return Trial(point, reached, run, broken, proxy.trace, here.has_files())


def points(durable: list[Event], rng: Random, *, keeps_files: bool) -> list[Point]:
    """Return the points of a run with these durable requests, in the order of the run."""
    chosen = _first_and_later(durable, rng)
    found = []
    for event in durable:
        if event in chosen:
            found += [Point("before", event.kind, event.number)] if keeps_files else []
            found += [Point("after", event.kind, event.number)]
    return [*found, *_starts(chosen, keeps_files=keeps_files), *_meanwhile(chosen)]


def _starts(chosen: list[Event], *, keeps_files: bool) -> Iterator[Point]:
    """Yield the point at which nothing durable of a run has happened yet."""
    if chosen and not keeps_files:
        yield Point("before", chosen[0].kind, chosen[0].number)


def _meanwhile(chosen: list[Event]) -> Iterator[Point]:
    """Yield the point at which the first records are still on their way to the broker.

    Of a worker that waits for no acknowledgement, later requests differ in number from run to run.
    """
    if any(event.kind == "Produce" for event in chosen):
        yield Point("meanwhile", "Produce", 1)


def _first_and_later(durable: list[Event], rng: Random) -> list[Event]:
    """Return for each kind of request the first, and one of the later ones.

    To commit a transaction is one kind, and to abort it another.
    """

    def kind(event: Event) -> tuple[str, str]:
        return event.kind, str(event.request.commits)

    by_kind = sorted(durable, key=lambda event: (*kind(event), event.number))
    chosen = []
    for _, group in groupby(by_kind, key=kind):
        first, *later = group
        chosen += [first, *([rng.choice(later)] if later else [])]
    return sorted(chosen, key=durable.index)


def _restarted(
    proxy: Proxy, here: Workspace, env: Mapping[str, str], stage: Stage, seconds: float
) -> Run:
    proxy.trace.mark(LANE, "killed")
    stage.release(proxy.trace.groups)
    proxy.reopen(LANE)
    proxy.trace.mark(LANE, "started again")
    return finish(here.start(env), seconds)


def ordinal(number: int) -> str:
    """Return a number as English counts: 1st, 2nd, 3rd, 4th."""
    tail = (
        "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    )
    return f"{number}{tail}"
