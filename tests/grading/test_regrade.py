"""A class with a roster is graded, a check is mended, and one exercise is graded anew."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from streamgym.checks.labs import load_exercises
from streamgym.errors import StreamgymError
from streamgym.grading import reports
from streamgym.grading.batch import grade_all
from streamgym.grading.gradebook import Gradebook, Remark
from streamgym.grading.regrade import Regrading, regrade

LAB = "01_class"
CHECKS = """
from streamgym.checks import Case, Choice, Expectations, Function, exercise, expect


@exercise(title="Twice", points=2, hints=["Add it to itself."])
def double(answer: Function, case: Case) -> Expectations:
    numbers = [case.rng.randrange(1000) for _ in range(5)]
    for number, got in zip(numbers, answer.map([[n] for n in numbers]), strict=True):
        yield expect("twice the number", got, equals=FACTOR * number, given=number)


@exercise(title="Your own", points=1, hints=["It is yours."],
          task=lambda rng: {"due": rng.randrange(10**6)})
def own(answer: Choice, case: Case) -> Expectations:
    yield expect("the right one", answer.value, equals=own.task_for(answer.student)["due"])
"""
RULES = f"""
roster = "roster.csv"
[labs.{LAB}]
due = 2030-01-01T00:00:00
"""
TWICE = "def double(number):\n    return 2 * number"


def own_answer(student: str) -> str:
    return f"own = {load_exercises(LAB)['own'].task_for(student)['due']}"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, as_course) -> Iterator[Path]:
    """The checks, of which the first is wrong: it wants three times the number."""
    root = tmp_path_factory.mktemp("course")
    checks = root / "labs" / LAB / "checks.py"
    checks.parent.mkdir(parents=True)
    checks.write_text(CHECKS.replace("FACTOR", "3"))
    with as_course(root):
        yield checks


@pytest.fixture(scope="module")
def submissions(lab: Path, write, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ada's; that of Eve, who copied all of it; and one that changes after it is graded."""
    folder = tmp_path_factory.mktemp("submissions")
    first = f'from streamgym.lab import Lab\nlab = Lab("{LAB}", student="ada")'
    for name in ("ada", "eve", "gone"):
        write(folder, name, [first, TWICE, own_answer("ada")])
    (folder / "roster.csv").write_text("id\nada\neve\nzoe\ngone\n")
    (folder / "course.toml").write_text(RULES)
    return folder


@pytest.fixture(scope="module")
def out(submissions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the first grading, and a remark on them."""
    out = tmp_path_factory.mktemp("graded")
    grade_all([submissions], out, jobs=2, progress=False)
    book = Gradebook(out)
    book.remark(reports.row_of(book, "ada", "own"), "own", Remark(0.5, "Ask first.", "Bo"))
    return out


@pytest.fixture(scope="module")
def before(out: Path) -> dict[str, str]:
    return stored(out)


@pytest.fixture(scope="module")
def regrading(before, out: Path, lab: Path, submissions: Path) -> Regrading:
    lab.write_text(CHECKS.replace("FACTOR", "2"))
    load_exercises.cache_clear()
    (submissions / "gone.ipynb").write_text("{}")
    return regrade(out, LAB, "double", why="2, not 3", jobs=2, progress=False)


def stored(out: Path) -> dict[str, str]:
    with closing(sqlite3.connect(out / "results.sqlite")) as database:
        return dict(database.execute("select student, results from rows"))


@pytest.mark.stack
def test_anothers_name_gains_nothing(before: dict[str, str], out: Path) -> None:
    own = {student: json.loads(results)[1]["points"] for student, results in before.items()}
    assert own == {"ada": 1.0, "eve": 0.0, "gone": 0.0}
    eve = reports.row_of(Gradebook(out), "eve")
    assert eve.note == "the notebook's student is 'ada', not who handed it in"
    assert "ada" in (out / "feedback" / "eve.html").read_text()


@pytest.mark.stack
def test_who_handed_in_nothing_is_in_the_gradebook(before: dict[str, str], out: Path) -> None:
    assert f"zoe,zoe,{LAB},missing," in (out / "gradebook.csv").read_text()


@pytest.mark.stack
def test_one_exercise_is_replaced_and_no_byte_of_others(before, regrading, out: Path) -> None:
    after = stored(out)
    for student in ("ada", "eve"):
        old, new = json.loads(before[student]), json.loads(after[student])
        assert [r["points"] for r in (old[0], new[0])] == [0.0, 2.0]
        assert json.dumps(old[1]) == json.dumps(new[1])
        assert after[student].endswith(json.dumps(old[1]) + "]")
    assert after["gone"] == before["gone"]


@pytest.mark.stack
def test_whom_it_left_out_is_told(regrading: Regrading) -> None:
    assert [row.student for row, _ in regrading.results] == ["ada", "eve"]
    (line,) = regrading.left_out
    assert line.startswith("gone: its file has changed")


@pytest.mark.stack
def test_the_remark_survives_and_the_history_knows_all(regrading: Regrading, out: Path) -> None:
    ada = reports.row_of(Gradebook(out), "ada")
    assert (ada.score, ada.remarks["own"].by) == (2.5, "Bo")
    told = [(e.exercise, e.kind, e.points, e.text) for e in Gradebook(out).history("ada")]
    assert told == [
        ("double", "graded", 0.0, ""),
        ("own", "graded", 1.0, ""),
        ("own", "remark", 0.5, "Ask first."),
        ("double", "regraded", 2.0, "2, not 3"),
    ]
    page = (out / "feedback" / "ada.html").read_text()
    assert "Ask first." in page
    assert "def double(number)" in page
    assert (out / "seed").read_text() not in page


@pytest.mark.stack
def test_an_exercise_that_does_not_exist_is_told(regrading: Regrading, out: Path) -> None:
    with pytest.raises(StreamgymError, match="choose one of double, own"):
        regrade(out, LAB, "triple")


def test_a_folder_without_a_grading_is_told(lab: Path, tmp_path: Path) -> None:
    with pytest.raises(StreamgymError, match="holds no grading"):
        regrade(tmp_path, LAB, "double")
    assert not list(tmp_path.iterdir())


def test_broken_rules_stop_before_anything_is_graded(lab: Path, tmp_path: Path) -> None:
    (tmp_path / "ada.ipynb").write_text("{}")
    (tmp_path / "course.toml").write_text("[late]\nper_day = -1")
    with pytest.raises(StreamgymError, match=r"late\.per_day"):
        grade_all([tmp_path], tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()
