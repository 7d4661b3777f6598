"""The students' package: it holds no solution, and its labs run."""

import os
import subprocess
import sys

import pytest

from streamgym.checks.labs import course_root, lab_names
from streamgym.course.release import leaked, release
from streamgym.errors import StreamgymError


@pytest.fixture
def package(tmp_path):
    release(tmp_path / "package")
    return tmp_path / "package"


def test_it_holds_the_labs_and_no_solution(package):
    assert not (package / "solutions").exists()
    assert not (package / "tests").exists()
    for lab in lab_names():
        assert (package / "labs" / lab / "lab.ipynb").is_file()
    assert list(leaked(package)) == []


def test_a_solution_in_it_would_be_found(package):
    lab = "03_windowing"
    solved = (course_root() / "solutions" / lab / "lab.ipynb").read_text()
    (package / "notebooks" / "harmless.ipynb").write_text(solved)
    places = list(leaked(package))
    assert any("tumbling, in notebooks/harmless.ipynb" in place for place in places)
    assert any("hourly_delays" in place for place in places)


def test_its_labs_are_found_and_judge(package):
    """A learner who has this folder alone gets verdicts, and no solution."""
    program = """
from streamgym.lab import Lab
from streamgym.errors import StreamgymError
def tumbling(time, size): return time
lab = Lab("03_windowing", student="ada", namespace=globals())
print(lab.judge(lab.exercises["tumbling"]).verdict)
try:
    lab.solution("tumbling")
except StreamgymError as error:
    print(error)
"""
    env = {**os.environ, "PYTHONPATH": str(package)}
    run = [sys.executable, "-c", program]
    done = subprocess.run(run, cwd=package, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("failed\nthe solutions are not here")


def test_nothing_is_mixed_or_put_into_the_course(tmp_path):
    (tmp_path / "old").write_text("kept")
    with pytest.raises(StreamgymError, match="not empty"):
        release(tmp_path)
    with pytest.raises(StreamgymError, match="outside"):
        release(course_root() / "labs" / "package")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
