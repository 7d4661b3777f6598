import pytest

from streamgym.checks import labs
from streamgym.checks.seeds import seed_of
from streamgym.errors import StreamgymError


def test_labs_are_found_by_their_folders():
    assert "03_windowing" in labs.lab_names()
    assert next(iter(labs.load_exercises("03_windowing"))) == "tumbling"


@pytest.mark.parametrize("name", ["99_none", "../solutions", "03_windowing/..", ""])
def test_a_lab_that_is_not_there_is_a_clear_error(name):
    with pytest.raises(StreamgymError, match="choose one of 03_windowing"):
        labs.load_exercises(name)


def test_no_course_is_a_clear_error(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(labs, "__file__", str(tmp_path / "a" / "b" / "c.py"))
    with pytest.raises(StreamgymError, match="set STREAMGYM_COURSE"):
        labs.course_root()


def test_seeds_are_stable_and_differ():
    assert seed_of("a", "b") == seed_of("a", "b") != seed_of("a", "c")
    assert 0 <= seed_of("a") < 2**63
