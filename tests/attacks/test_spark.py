"""Attacks whose vehicle is Spark: Python functions in a query, and the server itself."""

import os
from pathlib import Path

import nbformat
import psutil
import pytest

from streamgym.grading.batch import grade_all
from streamgym.grading.gradebook import Row

from .attack import notebook
from .resources import MARK

pytestmark = pytest.mark.stack

CHECKS = """
from pyspark.errors import PySparkException
from streamgym.checks import Case, Expectations, Plan, exercise, expect, plans
from streamgym.checks.answers import Raised


@exercise(title="Even numbers", points=2, hints=["Filter."])
def evens(answer: Plan, case: Case) -> Expectations:
    spark = case.world.spark()
    numbers = [case.rng.randrange(10**6) for _ in range(20)]
    source = spark.createDataFrame([(str(n),) for n in numbers], "n string")
    try:
        message = answer.relation(plans.to_message(source))
        got = message if isinstance(message, Raised) else sorted(
            row[0] for row in plans.to_frame(message, spark).collect())
    except PySparkException as error:
        got = plans.first_line(error)
    yield expect("the even ones", got, equals=sorted(str(n) for n in numbers if n % 2 == 0))
"""
LAB = 'from streamgym.lab import Lab\nlab = Lab("04_spark", student="eve")'
HONEST = "def evens(numbers):\n    return numbers.where('cast(n as int) % 2 = 0')"
SPY = """
lab.spark()
from pyspark.sql.connect.functions import udf

@udf(returnType="string")
def spy(_):
    import os, resource, socket, subprocess, sys
    def tried(what, *args):
        try:
            return str(what(*args))
        except Exception as error:
            return type(error).__name__
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", {mark!r}],
                     start_new_session=True)
    tried(os.chmod, {folder!r}, 0)
    return " ".join([
        tried(lambda: open({solution!r}).read()),
        tried(lambda: open("/proc/{grader}/environ").read()),
        tried(socket.create_connection, ("127.0.0.1", {port}), 2),
        tried(os.kill, {grader}, 9),
        tried(resource.prlimit, {grader}, resource.RLIMIT_CPU, (1, 1)),
    ])

def evens(numbers):
    return numbers.limit(1).select(spy("n").alias("n"))
"""
READS = """
def evens(numbers):
    spark = numbers.sparkSession
    return spark.read.text([{solution!r}, "/proc/{grader}/environ"]).withColumnRenamed("value", "n")
"""
ENDS = """
def evens(numbers):
    return numbers.selectExpr("reflect('java.lang.Runtime', 'getRuntime') as n").selectExpr(
        "reflect('java.lang.System', 'exit', 0) as n")
"""
BEFOREHAND = """
from random import Random
from streamgym.checks.seeds import seed_of
spark = lab.spark()
spark.sql("create table forged as select '2' as n")
spark.range(5).write.mode("overwrite").parquet("forged")
spark.sql("create or replace global temp view numbers as select '2' as n")
drawn = Random(seed_of("04_spark", "evens", "eve"))
known = [(str(n),) for n in (drawn.randrange(10**6) for _ in range(20)) if n % 2 == 0]

def evens(numbers):
    return spark.createDataFrame([("0",), *known], "n string")
"""


@pytest.fixture(scope="module")
def submissions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("submissions")


@pytest.fixture(scope="module")
def rows(
    submissions: Path, listener: int, tmp_path_factory: pytest.TempPathFactory, as_course
) -> dict[str, Row]:
    root = tmp_path_factory.mktemp("course")
    (root / "labs" / "04_spark").mkdir(parents=True)
    (root / "labs" / "04_spark" / "checks.py").write_text(CHECKS)
    (root / "solution.py").write_text("CANARY-solution")
    known = {
        "mark": MARK,
        "folder": str(submissions),
        "solution": str(root / "solution.py"),
        "grader": os.getpid(),
        "port": listener,
    }
    cells = {
        "0 honest": HONEST,
        "1 looks around in a Python function": SPY.format(**known),
        "2 reads by the server": READS.format(**known),
        "3 ends the server": ENDS,
        "4 writes beforehand": BEFOREHAND,
        "5 honest": HONEST,
    }
    for name, cell in cells.items():
        nbformat.write(notebook((LAB, cell)), submissions / f"{name}.ipynb")
    with as_course(root):
        found = grade_all([submissions], tmp_path_factory.mktemp("out"), jobs=2, progress=False)
    return {row.student[0]: row for row in found}


def test_honest_queries_keep_their_marks(rows) -> None:
    assert [rows[name].score for name in "05"] == [2, 2]


def test_no_attack_by_spark_earns_anything(rows) -> None:
    assert [rows[name].score for name in "1234"] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "1",
            "PermissionError PermissionError ConnectionRefusedError PermissionError "
            "PermissionError",
        ),
        ("2", "does not exist"),
        ("3", "spark was lost"),
        ("4", "not expected"),
    ],
)
def test_every_attack_by_spark_was_tried_and_met_what_it_should(rows, name, says) -> None:
    assert says in repr(rows[name].results)


def test_no_query_gets_to_know_a_secret(rows) -> None:
    assert "CANARY" not in repr(rows)


def test_nothing_of_a_query_is_left(rows, submissions: Path) -> None:
    running = [p.info["cmdline"] or [] for p in psutil.process_iter(["cmdline"])]
    assert not [line for line in running if MARK in line]
    assert submissions.stat().st_mode & 0o700 == 0o700
