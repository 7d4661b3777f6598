"""Attacks whose vehicle is a database: by a worker, and by the sink of a streaming query."""

from textwrap import indent

import nbformat
import pytest

from streamgym.grading.batch import grade_all
from streamgym.grading.gradebook import Row

from .attack import notebook

pytestmark = pytest.mark.stack

CHECKS = """
from streamgym.checks import Case, Expectations, Query, Worker, databases, exercise, expect
from streamgym.checks import plans, queries


def judge(url, texts, errors):
    rows = databases.rows(url, "SELECT text FROM kept", seconds=5)
    got = sorted(str(row["text"]) for row in rows)
    yield expect("every text is kept", got, equals=sorted(texts), given=errors)


@exercise(title="Keep it", points=2, hints=["INSERT INTO kept."])
def kept(answer: Worker, case: Case) -> Expectations:
    texts = [f"text {case.rng.randrange(10**6)}" for _ in range(5)]
    url = case.database("CREATE TABLE kept (text text)")
    run = answer.run({"URL": url, "TEXTS": ",".join(texts)}, seconds=20)
    yield from judge(url, texts, run.errors)


@exercise(title="Keep it in batches", points=3, hints=["foreachBatch."])
def sunk(answer: Query, case: Case) -> Expectations:
    texts = [f"text {case.rng.randrange(10**6)}" for _ in range(5)]
    spark = case.world.spark()
    topic = case.topic([{"text": text} for text in texts])
    options = {"kafka.bootstrap.servers": case.world.kafka(), "subscribe": topic,
               "startingOffsets": "earliest"}
    stream = spark.readStream.format("kafka").options(**options).load()
    source = plans.to_message(
        stream.selectExpr("get_json_object(cast(value as string), '$.text') AS text"))
    url = case.database("CREATE TABLE kept (text text)")
    with queries.folder(spark) as folder:
        trial = queries.run_once(
            case.world, url, lambda here: answer.writer([source], here, str(folder)))
    yield from judge(url, texts, trial.run.errors)
"""
LAB = """from streamgym.lab import Lab
lab = Lab("04_kept", student="eve")
spark = lab.spark()
lab.postgres()"""
WORKER = """%%worker kept
import os, psycopg
with psycopg.connect(os.environ["URL"], autocommit=True) as db:
"""
SINK = """
def sunk(stream, url, checkpoint):
    def keep(batch, number):
        import psycopg
        texts = [row.text for row in batch.collect()]
        with psycopg.connect(url, autocommit=True) as db:
{body}
    return stream.writeStream.foreachBatch(keep).option("checkpointLocation", checkpoint)
"""
KEEP = "db.cursor().executemany('INSERT INTO kept VALUES (%s)', [[text] for text in texts])"
TRY = """
for statement in [
    "COPY (SELECT 1) TO PROGRAM 'cat > {folder}/out'",
    "SELECT pg_read_file('{solution}')",
    "COPY kept FROM '{solution}'",
    "ALTER SYSTEM SET log_directory = '{folder}'",
    "SET ROLE postgres",
    "CREATE ROLE other SUPERUSER",
]:
    try:
        db.execute(statement)
        db.execute("INSERT INTO kept VALUES ('done')")
    except psycopg.Error as error:
        db.execute("INSERT INTO kept VALUES (%s)", [type(error).__name__])
"""
SLEEPS = "db.execute('DROP TABLE kept; CREATE VIEW kept AS SELECT 1 AS text FROM pg_sleep(600)')"
ENDLESS = (
    "db.execute('DROP TABLE kept;"
    " CREATE VIEW kept AS SELECT generate_series(1, 1000000000) AS text')"
)
SPOILS = """
db.execute("ALTER ROLE CURRENT_USER SET default_transaction_read_only = on")
db.execute("ALTER ROLE CURRENT_USER SET search_path = nowhere")
db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
"""
NAMES = "texts = os.environ['TEXTS'].split(',')\n"


def cells(body: str, known: dict[str, str]) -> tuple[str, str, str]:
    """Return a notebook's cells whose worker and sink do this with ``db``, and with ``texts``."""
    for name, value in known.items():
        body = body.replace(f"{{{name}}}", value)
    return LAB, WORKER + indent(NAMES + body, " " * 4), SINK.format(body=indent(body, " " * 12))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory, as_course) -> dict[str, Row]:
    root, submissions = (tmp_path_factory.mktemp(name) for name in ("course", "submissions"))
    (root / "labs" / "04_kept").mkdir(parents=True)
    (root / "labs" / "04_kept" / "checks.py").write_text(CHECKS)
    (root / "solution.py").write_text("CANARY-solution")
    known = {"folder": str(submissions), "solution": str(root / "solution.py")}
    bodies = {
        "0 honest": KEEP,
        "1 asks for more than it may": TRY,
        "2 puts a view that sleeps in the table's place": SLEEPS,
        "3 puts a view without an end in the table's place": ENDLESS,
        "4 spoils its role and ends connections": SPOILS,
        "5 honest": KEEP,
    }
    for name, body in bodies.items():
        nbformat.write(notebook(cells(body, known)), submissions / f"{name}.ipynb")
    with as_course(root):
        found = grade_all([submissions], tmp_path_factory.mktemp("out"), jobs=2, progress=False)
    assert not (submissions / "out").exists()
    return {row.student[0]: row for row in found}


def test_honest_answers_keep_their_marks(rows) -> None:
    assert [rows[name].score for name in "05"] == [5, 5]


def test_no_attack_by_a_database_earns_anything(rows) -> None:
    assert [rows[name].score for name in "1234"] == [0, 0, 0, 0]


@pytest.mark.parametrize("exercise", [0, 1])
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("1", ["InsufficientPrivilege"] * 6),
        ("2", ["took longer than 5 s"]),
        ("3", ["gave more than"]),
    ],
)
def test_every_attack_was_tried_and_met_what_it_should(rows, name, says, exercise) -> None:
    told = repr(rows[name].results[exercise])
    assert told.count(says[0]) >= len(says)
    assert "done" not in told


def test_nobody_gets_to_know_a_secret(rows) -> None:
    assert "CANARY" not in repr(rows)
