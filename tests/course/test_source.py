import pytest

from streamgym.course.answers import swap
from streamgym.course.source import Cell, defined_in, read_source
from streamgym.errors import StreamgymError

FUNCTION = """def f(x):
    # BEGIN SOLUTION
    y = x
    return y
    # END SOLUTION
    # after
"""


def test_a_region_becomes_not_implemented_or_the_solution():
    cell = Cell("code", FUNCTION)
    assert cell.starter == "def f(x):\n    raise NotImplementedError\n    # after"
    assert cell.reference == "def f(x):\n    y = x\n    return y\n    # after"
    assert "f" in cell.defines


def test_a_region_may_bring_its_own_starter():
    cell = Cell("code", "# BEGIN SOLUTION\nn = 7\n# STARTER n = ...  # minutes\n# END SOLUTION")
    assert (cell.starter, cell.reference) == ("n = ...  # minutes", "n = 7")


@pytest.mark.parametrize(
    "text", ["# BEGIN SOLUTION\nx", "x\n# END SOLUTION", "# BEGIN SOLUTION\n# BEGIN SOLUTION"]
)
def test_unbalanced_markers_are_a_clear_error(text):
    with pytest.raises(StreamgymError, match="SOLUTION"):
        _ = Cell("code", text).starter


def test_what_a_cell_defines():
    assert defined_in("%%worker board\nimport x\ny = 1") == {"board"}
    assert defined_in("a = 1\nb: int = 2\ndef c(x): ...\nif a == 1: d = 2") == {"a", "b", "c"}


def test_a_source_without_front_matter_is_a_clear_error(tmp_path):
    path = tmp_path / "lab.py"
    path.write_text("# %%\nx = 1\n")
    with pytest.raises(StreamgymError, match="front matter lacks chapters"):
        read_source(path)


def test_swap_refuses_to_change_nothing():
    with pytest.raises(ValueError, match="no 'b' any more"):
        swap("a", "b", "c")
