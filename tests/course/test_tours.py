"""Every notebook below ``notebooks/`` runs from top to bottom."""

import nbformat
import pytest
from nbclient import NotebookClient

from streamgym.checks.labs import course_root
from streamgym.course.build import tours


@pytest.mark.stack
@pytest.mark.parametrize("path", tours(), ids=lambda path: path.stem)
def test_a_tour_runs_without_an_error(path, kafka, monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka)
    notebook = nbformat.reads(path.read_text(), as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    client = NotebookClient(notebook, timeout=90, resources={"metadata": {"path": path.parent}})
    client.execute()
    asked = sum(cell.source.count("= predict(") for cell in notebook.cells)
    assert asked == sum(map(shows_a_verdict, outputs(notebook)))


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def shows_a_verdict(output):
    return "you did not say; it was" in output.get("data", {}).get("text/plain", "")


def test_the_start_page_is_one():
    assert course_root() / "notebooks" / "00_start.ipynb" in tours()
