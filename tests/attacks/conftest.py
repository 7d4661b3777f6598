"""A course with one small lab, and one grading of all attacks on it, honest students between."""

import os
import resource
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from streamgym.grading.batch import grade_all
from streamgym.grading.gradebook import Row

from . import catalogue
from .attack import HONEST, Attack, notebook

CHECKS = """
from streamgym.checks import Case, Choice, Expectations, Function, Limits, Worker, exercise, expect

LIMITS = Limits(
    cell=8, notebook=60, answer=8, restarts=1, cpu=12, disk=150_000_000, output=3_000_000
)


@exercise(title="Twice", points=2, hints=["Add it to itself."])
def double(answer: Function, case: Case) -> Expectations:
    numbers = [case.rng.randrange(10**6) for _ in range(5)]
    for number, got in zip(numbers, answer.map([[n] for n in numbers]), strict=True):
        yield expect("twice the number", got, equals=2 * number, given=number)


@exercise(title="In capitals", points=3, hints=["Read, change, write."])
def deliver(answer: Worker, case: Case) -> Expectations:
    texts = [f"text {case.rng.randrange(10**6)}" for _ in range(5)]
    source, target = case.topic([{"text": text} for text in texts]), case.topic()
    env = {"KAFKA_BOOTSTRAP_SERVERS": case.world.kafka(), "SOURCE": source, "TARGET": target}
    run = answer.run(env, seconds=20)
    got = [record.get("text") for record in case.read(target)]
    yield expect("all texts, and it ends well", [run.returncode, *got],
                 equals=[0, *(text.upper() for text in texts)], given=run.errors)


@exercise(title="A number", points=1, hints=["It is odd."])
def favourite(answer: Choice, case: Case) -> Expectations:
    yield expect("the right one", answer.value, equals=7)


@exercise(title="Exactly once", points=5, hints=["Use a transaction."])
def once(answer: Worker, case: Case) -> Expectations:
    from streamgym.checks.crashes import survives

    def prepare():
        numbers = [case.rng.randrange(10**6) for _ in range(6)]
        source, target = case.topic([{"n": n} for n in numbers]), case.topic()
        env = {"KAFKA_BOOTSTRAP_SERVERS": case.world.kafka(), "INPUT_TOPIC": source,
               "OUTPUT_TOPIC": target, "GROUP_ID": f"group-{target}"}

        def judge():
            got = [record.get("n") for record in case.read(target)]
            return {"nothing is lost": [n for n in numbers if n not in got],
                    "nothing is twice": [n for n in numbers if got.count(n) > 1]}

        return env, judge

    yield from survives(answer, case, prepare, {"nothing is lost": 1, "nothing is twice": 1}, 30)
"""
PLAIN = (
    CHECKS[: CHECKS.index('\n\n@exercise(title="In cap')]
    + CHECKS[
        CHECKS.index('\n\n@exercise(title="A number') : CHECKS.index('\n\n@exercise(title="Exactly')
    ]
)
"""The exercises for which no broker is needed."""

TIGHT = PLAIN.replace(
    "LIMITS",
    """LIMITS = Limits(
    cell=60, answer=8, restarts=1, cpu=8, memory=2 * 10**9, processes=20, disk=20_000_000,
    files=300, output=2_000_000,
)
GENEROUS""",
)
CANARIES = {
    name: f"CANARY-{name}-7f3a" for name in ("solution", "neighbour", "environment", "seed")
}
"""What no submission may get to know, planted where it must not read."""

EVERY = 15
"""After so many attacks comes an honest submission."""

JOBS = 3
"""Many attacks only wait for their end."""


@dataclass(frozen=True)
class Graded:
    """All that came of the grading: rows by file name, and where everything is."""

    rows: dict[str, Row]
    folder: Path
    course: Path
    out: Path
    scratch: Path
    listener: int
    before: dict[str, object]
    seconds: float

    def page(self, name: str) -> str:
        """Return everything that a student is told."""
        (found,) = [p for p in (self.out / "feedback").iterdir() if p.stem.startswith(name[:3])]
        return found.read_text()


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory, as_course) -> Iterator[Path]:
    """The course that is graded, instead of the real one."""
    root = tmp_path_factory.mktemp("course")
    for path, text in [
        ("labs/01_target/checks.py", CHECKS),
        ("labs/02_plain/checks.py", PLAIN),
        ("labs/03_tight/checks.py", TIGHT),
        ("solutions/01_target/answers.py", CANARIES["solution"]),
    ]:
        (root / path).parent.mkdir(parents=True)
        (root / path).write_text(text)
    with as_course(root):
        yield root


@pytest.fixture(scope="module")
def listener() -> Iterator[int]:
    """A server on another loopback port, as another submission's broker would be."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(scope="module")
def graded(
    course: Path, listener: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Graded]:
    """Grade every attack, with honest submissions before, between and after them."""
    folder, out = tmp_path_factory.mktemp("submissions"), tmp_path_factory.mktemp("grades")
    around = catalogue.Around(folder, course, out, listener, os.getpid())
    for name, attack in named(catalogue.attacks(around)).items():
        path = folder / f"{name}.ipynb"
        if attack:
            attack.file(path)
        else:
            honest = notebook((f"# {CANARIES['neighbour']}", *HONEST))
            nbformat.write(honest, path)
    before, began = state(folder), time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix="attacks-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADERS_OWN", CANARIES["environment"])
        patch.setattr(tempfile, "tempdir", str(scratch))
        rows = grade_all([folder], out, jobs=JOBS, seed=CANARIES["seed"], progress=False)
    seconds = time.monotonic() - began
    by_name = {row.student: row for row in rows}
    yield Graded(by_name, folder, course, out, scratch, listener, before, seconds)
    scratch.rmdir()


def state(folder: Path) -> dict[str, object]:
    """Return what a submission could change of others' files, of this process and this machine."""
    files = {
        path.name: (path.lstat().st_mode, path.lstat().st_mtime_ns, path.lstat().st_uid)
        for path in [folder, *folder.iterdir()]
    }
    limits = resource.getrlimit(resource.RLIMIT_CPU)
    return {
        "files": files,
        "limits": limits,
        "priority": os.getpriority(os.PRIO_PROCESS, 0),
        "cores": os.sched_getaffinity(0),
    }


def named(attacks: list[Attack]) -> dict[str, Attack | None]:
    """Return the name of each submission, in the order of grading; an honest one has no attack."""
    found: dict[str, Attack | None] = {}
    for attack in attacks:
        if len(found) % (EVERY + 1) == 0:
            found[f"{len(found):03} honest"] = None
        found[f"{len(found):03} {attack.name}"] = attack
    found[f"{len(found):03} honest"] = None
    return found
