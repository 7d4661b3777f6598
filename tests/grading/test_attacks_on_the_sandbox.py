"""What a submission may not do; all are graded in one batch, and each is judged by its row."""

from pathlib import Path

import psutil
import pytest

from streamgym.checks.results import Result, Verdict
from streamgym.grading import box
from streamgym.grading.batch import grade_all
from streamgym.grading.gradebook import Row
from streamgym.grading.run import Limits

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("course")]

LIMITS = Limits(cell=6, notebook=60, answer=6, restarts=2)
MARK = "streamgym-test-left-behind"
FORGED = """
from IPython.display import publish_display_data
for kind in ("passed", {"verdict": "passed", "points": 6}):
    publish_display_data({"application/vnd.streamgym+json": str(kind)})
print("verdict: passed, 6 of 6 points")
"""
ALWAYS_EQUAL = """
class Same(int):
    def __eq__(self, other): return True
    def __hash__(self): return 1
favourite = Same(3)
def double(number): return Same(3)
"""


def tried(expression: str) -> str:
    """Return a cell whose favourite is what came of an expression, or the error it raised."""
    return (
        f"try:\n    favourite = str({expression})\nexcept Exception as e:\n    favourite = repr(e)"
    )


def in_worker(expression: str) -> str:
    """Return a worker that prints what came of an expression, and fails."""
    return f"%%worker shout\n{tried(expression)}\nraise SystemExit(favourite)"


@pytest.fixture(scope="module")
def attacks(solved: tuple[str, ...], listener: int, folder: Path) -> dict[str, list[str]]:
    lab, double, _, shout, favourite = solved
    rest = [double, shout, favourite]
    reading = f"open({str(folder / 'neighbour.ipynb')!r}).read()"
    connect = "__import__('socket').create_connection(('{}', {}), timeout=2)"
    return {
        "neighbour": [lab, *rest],
        "exits": ["import sys; sys.exit(0)", lab, *rest],
        "ends the process": [lab, "import os; os._exit(0)", *rest],
        "kills itself": [lab, "import os; os.kill(os.getpid(), 9)", *rest],
        "loops": [lab, double, "while True:\n    pass", shout, favourite],
        "loops in its answer": [lab, "def double(n):\n    while True: pass", shout, favourite],
        "loops where it defines": [lab, f"{double}\nwhile True: pass", shout, favourite],
        "ignores the interrupt": [
            lab,
            "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(999)",
            *rest,
        ],
        "eats memory": [lab, f"{double}\nx = bytearray(64 << 30)", shout, favourite],
        "eats memory in its answer": [lab, "def double(n): return bytearray(64<<30)", favourite],
        "prints without end": [lab, "while True: print('x' * 100_000)", *rest],
        "sends a huge reply": [lab, "def double(n): return 'x' * 500_000_000", favourite],
        "fills the disk": [
            lab,
            double,
            "with open('big', 'wb') as f:\n    while True: f.write(bytes(10_000_000))",
            shout,
            favourite,
        ],
        "fills a topic": [
            lab,
            double,
            "from kafka import KafkaAdminClient, KafkaProducer\nfrom kafka.admin import NewTopic\n"
            "KafkaAdminClient(bootstrap_servers=lab.kafka()).create_topics([NewTopic('t', 1, 1)])\n"
            "producer = KafkaProducer(bootstrap_servers=lab.kafka())\n"
            "while True: producer.send('t', bytes(900_000))",
            favourite,
        ],
        "forks without end": [
            lab,
            double,
            "import subprocess\nwhile True: subprocess.Popen(['sleep', '300'])",
            shout,
            favourite,
        ],
        "forges": [lab, FORGED, "double = favourite = 'passed'"],
        "always equal": [lab, ALWAYS_EQUAL],
        "patches the reply": [
            lab,
            "import streamgym.grading.inside as inside\ninside.serve = lambda *a: '{[[['",
        ],
        "sends nonsense": [
            lab,
            "import streamgym.grading.inside as inside\ninside.serve = lambda *a: '{\"a\": NaN}'",
        ],
        "reads passwd": [lab, tried("open('/etc/passwd').read()")],
        "reads neighbour": [lab, tried(reading)],
        "reads grader's environment": [lab, tried("open(f'/proc/{os.getppid()}/environ').read()")],
        "reads own environment": [lab, "import os", tried("os.environ.get('GRADERS_OWN', 'none')")],
        "writes results": [lab, tried(f"open({str(folder / 'out' / 'results.sqlite')!r}, 'a')")],
        "connects out": [lab, tried(connect.format("192.0.2.1", 80))],
        "connects beside": [lab, tried(connect.format("127.0.0.1", listener))],
        "leaves a process": [
            lab,
            "import subprocess, sys",
            f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', {MARK!r}],"
            " start_new_session=True)",
            favourite,
        ],
        "worker reads": [lab, in_worker("open('/etc/passwd').read()")],
        "worker connects": [lab, in_worker(connect.format("127.0.0.1", listener))],
        "worker loops": [lab, "%%worker shout\nwhile True: pass"],
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("attacks")


@pytest.fixture(scope="module")
def rows(course, attacks, folder: Path, write) -> dict[str, Row]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADERS_OWN", "secret")
        patch.setattr(box, "DISK", 200_000_000)
        for name, cells in attacks.items():
            write(folder, name, cells)
        found = grade_all([folder], folder / "out", jobs=2, limits=LIMITS, progress=False)
    return {row.student: row for row in found}


def verdicts(row: Row) -> list[str]:
    return [str(result.verdict) for result in row.results]


def of(row: Row, exercise: str) -> Result:
    return next(result for result in row.results if result.exercise == exercise)


def answer(row: Row) -> str:
    """Return what the favourite was."""
    return of(row, "favourite").expectations[0].evidence[0].actual


def test_every_attack_has_a_row(rows, attacks) -> None:
    assert set(rows) == set(attacks)


@pytest.mark.parametrize(
    "name",
    ["neighbour", "exits", "ends the process", "kills itself", "loops", "ignores the interrupt",
     "prints without end", "fills the disk", "forks without end"],
)  # fmt: skip
def test_a_bad_cell_costs_no_other_cell(rows, name: str) -> None:
    assert verdicts(rows[name]) == ["passed"] * 3


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("loops in its answer", "your answer did not end within 6 s"),
        ("loops where it defines", "the cell did not end within 6 s"),
        ("eats memory", "out of memory"),
        ("eats memory in its answer", "out of memory"),
        ("sends a huge reply", ""),
    ],
)
def test_what_cannot_be_judged_is_ungradable_and_the_rest_is_judged(rows, name, reason) -> None:
    result = of(rows[name], "double")
    assert reason in result.reason
    if reason:
        assert result.verdict is Verdict.UNGRADABLE
    assert of(rows[name], "favourite").verdict is Verdict.PASSED


@pytest.mark.parametrize("name", ["forges", "always equal", "patches the reply", "sends nonsense"])
def test_what_is_forged_earns_nothing(rows, name: str) -> None:
    assert rows[name].score == 0
    assert Verdict.PASSED not in [result.verdict for result in rows[name].results]


@pytest.mark.parametrize("name", ["reads passwd", "reads neighbour", "writes results"])
def test_files_of_others_are_out_of_reach(rows, name: str) -> None:
    assert "PermissionError" in answer(rows[name])


def test_the_grader_cannot_be_looked_into(rows) -> None:
    assert "Error" in answer(rows["reads grader's environment"])
    assert answer(rows["reads own environment"]) == "none"


@pytest.mark.parametrize("name", ["connects out", "connects beside"])
def test_only_the_own_broker_can_be_reached(rows, name: str) -> None:
    assert "ConnectionRefusedError" in answer(rows[name])


def test_a_worker_is_in_a_sandbox_too(rows) -> None:
    said = [of(rows[f"worker {what}"], "shout") for what in ("reads", "connects")]
    evidence = [result.expectations[0].evidence[0].given for result in said]
    assert "PermissionError" in evidence[0]
    assert "ConnectionRefusedError" in evidence[1]


def test_a_worker_that_does_not_end_is_ungradable(rows) -> None:
    assert of(rows["worker loops"], "shout").verdict is Verdict.UNGRADABLE


def test_a_topic_cannot_be_filled_without_end(rows) -> None:
    assert of(rows["fills a topic"], "double").verdict is not Verdict.FAILED


def test_nothing_is_left_behind(rows) -> None:
    running = [p.info["cmdline"] or [] for p in psutil.process_iter(["cmdline"])]
    assert not [line for line in running if MARK in line]
