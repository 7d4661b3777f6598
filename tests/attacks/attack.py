"""What an attack on the grader is, and the words that attacks are written in."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

LAB = 'from streamgym.lab import Lab\nlab = Lab("01_target", student="eve")'
PLAIN = LAB.replace("01_target", "02_plain")
"""The same without workers, and so without a broker."""

DOUBLE = "def double(number):\n    return 2 * number"
FAVOURITE = "favourite = 7"
DELIVER = """%%worker deliver
import json, os
from kafka import KafkaConsumer, KafkaProducer
from streamgym.workers import at_end

servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
consumer = KafkaConsumer(
    os.environ["SOURCE"], bootstrap_servers=servers, group_id=None, auto_offset_reset="earliest",
)
producer = KafkaProducer(bootstrap_servers=servers)
while not at_end(consumer):
    for records in consumer.poll(timeout_ms=200).values():
        for record in records:
            text = json.loads(record.value)["text"].upper()
            producer.send(os.environ["TARGET"], json.dumps({"text": text}).encode())
producer.flush()
"""
HONEST = (LAB, DOUBLE, 'lab.check("double")', DELIVER, FAVOURITE)
"""The cells of a solved notebook."""

POINTS = {"double": 2.0, "deliver": 3.0, "favourite": 1.0}
ALL = sum(POINTS.values())


@dataclass(frozen=True)
class Attack:
    """A hostile submission.

    Attributes:
        name: what it does, in a few words.
        cells: the texts of its code cells.
        earns: the points of its honest part, and so all that it may earn.
        says: what its feedback must hold: the proof that it was tried, and what came of it.
        write: writes the submission's file, where it is more than code cells.
        ungradable: why it cannot be graded at all, in the words of its row.
        harms_itself: whether it may lose its honest part too, if the machine is busy.
    """

    name: str
    cells: tuple[str, ...] = ()
    earns: float = 0.0
    says: str = ""
    write: Callable[[Path], None] | None = None
    ungradable: str = ""
    harms_itself: bool = False

    def file(self, path: Path) -> None:
        """Write the submission."""
        if self.write:
            self.write(path)
        else:
            nbformat.write(notebook(self.cells), path)


def notebook(cells: tuple[str, ...]) -> nbformat.NotebookNode:
    """Return a notebook with these code cells."""
    return new_notebook(cells=[new_code_cell(text) for text in cells])


def tried(expression: str, name: str = "favourite") -> str:
    """Return code that sets a variable to what came of an expression, or the error it raised."""
    return f"try:\n    {name} = str({expression})\nexcept BaseException as e:\n    {name} = repr(e)"


def reading(name: str, expression: str, says: str, before: str = "") -> Attack:
    """Return an attack that shows what it could read as its answer; its other answers are right."""
    cells = (PLAIN, f"{before}\n{tried(expression)}", DOUBLE)
    return Attack(name, cells, POINTS["double"], says)


def in_worker(code: str) -> str:
    """Return a worker that runs code, and fails with what ``got`` then is."""
    return f"%%worker deliver\n{code}\nraise SystemExit('got ' + str(got))"
