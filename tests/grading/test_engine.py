from pathlib import Path

import nbformat
import papermill
import pytest

from streamgym.checks.results import Result
from streamgym.errors import StreamgymError
from streamgym.grading.batch import grade_all

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("course")]


@pytest.fixture
def executed(tmp_path: Path, write, solved, monkeypatch: pytest.MonkeyPatch):
    """Run a notebook through papermill with a seed, and return what it wrote."""

    def execute(cells) -> nbformat.NotebookNode:
        monkeypatch.setenv("STREAMGYM_SEED", "a seed")
        source = write(tmp_path, "ada", cells)
        papermill.execute_notebook(
            source, tmp_path / "out.ipynb", engine_name="streamgym", progress_bar=False
        )
        return nbformat.read(tmp_path / "out.ipynb", as_version=4)

    return execute


def test_papermill_gives_the_marks_that_a_batch_gives(executed, tmp_path: Path, solved) -> None:
    cells = [text.replace("2 * number", "3 * number") for text in solved]
    notebook = executed(cells)
    nbformat.validate(notebook)
    (row,) = grade_all([tmp_path / "ada.ipynb"], tmp_path / "o", seed="a seed", progress=False)
    marks = tuple(Result.from_dict(result) for result in notebook.metadata.streamgym.results)
    assert marks == row.results
    assert "4 of 6 points" in notebook.cells[-1].source


def test_outputs_are_kept(executed, solved) -> None:
    printed = executed([*solved, "print(double(21))"]).cells[-2]
    assert printed.outputs[0].text == "42\n"


def test_a_notebook_of_no_lab_is_refused(executed) -> None:
    with pytest.raises(StreamgymError, match="names no lab"):
        executed(["1 + 1"])
