"""The sample submissions of lab 03 get the marks that they were made for."""

import csv
import importlib.util
from pathlib import Path

import pytest

from streamgym.checks import Limits
from streamgym.grading.batch import grade_all

SAMPLES = Path(__file__).parents[1] / "submissions"
EXPECTED = SAMPLES / "expected.csv"


def test_the_samples_are_in_step_with_the_lab():
    spec = importlib.util.spec_from_file_location("make_samples", SAMPLES / "make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    stale = [name for name, text in make.samples().items() if (SAMPLES / name).read_text() != text]
    assert not stale, "run python tests/submissions/make.py"


@pytest.mark.stack
@pytest.mark.timeout(900)
def test_every_sample_gets_its_marks(tmp_path):
    grade_all([SAMPLES], tmp_path, jobs=2, limits=Limits(cell=25), progress=False)

    with (tmp_path / "gradebook.csv").open() as file:
        got = {row["student"]: row for row in csv.DictReader(file)}
    with EXPECTED.open() as file:
        for due in csv.DictReader(file):
            row = got.pop(due["student"])
            assert {key: row[key] for key in due} == due
    assert not got
    assert len(list((tmp_path / "feedback").glob("*.html"))) == 12
