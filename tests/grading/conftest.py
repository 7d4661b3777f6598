"""A course with one tiny lab, and notebooks for it."""

import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

CHECKS = """
from streamgym.checks import Case, Choice, Expectations, Function, Worker, exercise, expect


@exercise(title="Twice", points=2, hints=["Add it to itself."])
def double(answer: Function, case: Case) -> Expectations:
    numbers = [case.rng.randrange(1000) for _ in range(5)]
    for number, got in zip(numbers, answer.map([[n] for n in numbers]), strict=True):
        yield expect("twice the number", got, equals=2 * number, given=number)


@exercise(title="In capitals", points=3, hints=["Read, change, write."])
def shout(answer: Worker, case: Case) -> Expectations:
    texts = [f"text {case.rng.randrange(1000)}" for _ in range(5)]
    source, target = case.topic([{"text": text} for text in texts]), case.topic()
    env = {"KAFKA_BOOTSTRAP_SERVERS": case.world.kafka(), "SOURCE": source, "TARGET": target}
    run = answer.run(env, seconds=20)
    yield expect("it ends well", run.returncode, equals=0, given=run.errors)
    yield expect("all texts", case.read(target), equals=[{"text": t.upper()} for t in texts])


@exercise(title="A number", points=1, hints=["It is odd."])
def favourite(answer: Choice, case: Case) -> Expectations:
    yield expect("the right one", answer.value, equals=7)
"""

LAB = 'from streamgym.lab import Lab\nlab = Lab("01_tiny", student="ada")'
DOUBLE = "def double(number):\n    return 2 * number"
SHOUT = """%%worker shout
import json, os
from kafka import KafkaConsumer, KafkaProducer

servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
consumer = KafkaConsumer(
    os.environ["SOURCE"], bootstrap_servers=servers,
    auto_offset_reset="earliest", consumer_timeout_ms=2000,
)
producer = KafkaProducer(bootstrap_servers=servers)
for record in consumer:
    text = json.loads(record.value)["text"].upper()
    producer.send(os.environ["TARGET"], json.dumps({"text": text}).encode())
producer.flush()
"""
FAVOURITE = "favourite = 7"
SOLVED = (LAB, DOUBLE, 'lab.check("double")', SHOUT, FAVOURITE)

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory, as_course) -> Iterator[Path]:
    """The course that is graded, instead of the real one."""
    root = tmp_path_factory.mktemp("course")
    (root / "labs" / "01_tiny").mkdir(parents=True)
    (root / "labs" / "01_tiny" / "checks.py").write_text(CHECKS)
    with as_course(root):
        yield root


@pytest.fixture(scope="package")
def solved() -> tuple[str, ...]:
    """The cells of a solved notebook: lab, double, a check, shout, favourite."""
    return SOLVED


@pytest.fixture(scope="package")
def write() -> Write:
    """Write a notebook with these code cells into a folder, and return its path."""

    def write_cells(folder: Path, name: str, cells: Sequence[str]) -> Path:
        path = folder / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(new_notebook(cells=[new_code_cell(text) for text in cells]), path)
        return path

    return write_cells


@pytest.fixture(scope="package")
def listener() -> Iterator[int]:
    """A server on another loopback port, as another submission's broker would be."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]
