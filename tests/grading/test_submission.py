import json
from pathlib import Path

import nbformat
import pytest

from streamgym.grading import submission
from streamgym.grading.found import find, student_of
from streamgym.grading.submission import names, read, workers

pytestmark = pytest.mark.usefixtures("course")

LAB = 'lab = Lab("01_tiny")'


def notebook(cells: list[str], **metadata: object) -> str:
    code = [
        {
            "cell_type": "code",
            "source": text,
            "metadata": {},
            "outputs": [{"output_type": "stream", "name": "stdout", "text": "full marks"}],
            "execution_count": 1,
        }
        for text in cells
    ]
    return json.dumps({"cells": code, "metadata": metadata, "nbformat": 4, "nbformat_minor": 4})


@pytest.fixture
def saved(tmp_path: Path):
    def save(content: str | bytes, name: str = "ada.ipynb") -> submission.Submission:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read("ada", path)

    return save


def test_the_lab_is_named_by_the_metadata(saved) -> None:
    assert saved(notebook(["1"], streamgym={"lab": "01_tiny"})).lab == "01_tiny"


def test_the_lab_is_named_by_the_text_when_the_metadata_were_lost_or_edited(saved) -> None:
    assert saved(notebook([LAB])).lab == "01_tiny"
    assert saved(notebook([LAB], streamgym={"lab": "../../etc"})).lab == "01_tiny"
    assert saved(notebook([LAB], streamgym="nonsense")).lab == "01_tiny"


def test_only_the_texts_of_cells_are_kept(saved) -> None:
    kept = saved(notebook([LAB, "1/0"], kernelspec={"name": "evil"}, streamgym={"lab": "01_tiny"}))
    assert kept.code == [LAB, "1/0"]
    assert "full marks" not in nbformat.writes(kept.notebook)
    assert "evil" not in nbformat.writes(kept.notebook)


def test_a_notebook_of_version_3_is_read(saved) -> None:
    cell = {"cell_type": "code", "input": [LAB], "language": "python", "outputs": []}
    old = {"worksheets": [{"cells": [cell]}], "metadata": {}, "nbformat": 3, "nbformat_minor": 0}
    assert saved(json.dumps(old)).code == [LAB]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a notebook"),
        (b"{", "not a notebook"),
        (b"\xff\xfe\x00", "not a notebook"),
        (b"[]", "not a notebook"),
        (b"null", "not a notebook"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 5}', "not a notebook"),
        (b'{"nbformat": 99, "nbformat_minor": 0, "metadata": {}, "cells": []}', "not a notebook"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": 1, "cells": []}', "not a notebook"),
        (notebook([]), "names no lab"),
        (notebook(['Lab("77_missing")']), "names no lab of this course (lab: 77_missing)"),
        (notebook(["1"] * 1001), "more than 1,000 cells"),
        (b" " * (submission.MAX_BYTES + 1), "larger than"),
    ],
)
def test_what_cannot_be_read_has_a_reason(saved, content: bytes, reason: str) -> None:
    assert reason in saved(content).reason


def test_malformed_cells_are_left_out(saved) -> None:
    cells = [{"cell_type": "code", "source": 5}, {"cell_type": 1, "source": "x"}, "text", None]
    good = json.loads(notebook([LAB]))["cells"]
    broken = {"cells": cells + good, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    read_back = saved(json.dumps(broken))
    assert read_back.reason or read_back.code == [LAB]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real.ipynb").write_text(notebook([LAB]))
    (tmp_path / "link.ipynb").symlink_to(tmp_path / "real.ipynb")
    assert "link" in read("x", tmp_path / "link.ipynb").reason


def test_a_file_that_is_missing_has_a_reason(tmp_path: Path) -> None:
    assert read("x", tmp_path / "none.ipynb").reason


def test_submissions_are_found_by_name_in_order(tmp_path: Path) -> None:
    for name in ["zoë ü.ipynb", "bob/lab.ipynb", "ada.ipynb", "bob.ipynb", "notes.txt"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    found = [
        (each.student, str(each.path.relative_to(tmp_path)))
        for each in find([tmp_path], tmp_path / "unpacked")
    ]
    assert found == [
        ("ada", "ada.ipynb"),
        ("bob", "bob/lab.ipynb"),
        ("bob (2)", "bob.ipynb"),
        ("zoë ü", "zoë ü.ipynb"),
    ]


def test_the_last_script_of_a_name_counts() -> None:
    cells = ["%%worker a\nfirst\n", "\n%%worker a\nsecond\n", "x = '%%worker b'", "%%worker  c\n"]
    assert workers(cells) == {"a": "second\n", "c": ""}


def test_a_cell_names_what_it_defines() -> None:
    cell = (
        "import x\ndef f(a):\n    inner = 1\nclass K: ...\nasync def g(): ...\ny: int = 1\nz == 2"
    )
    assert names(cell) == {"f", "K", "g", "y"}
    assert names("%%worker late\nx = 1") == {"late", "x"}


def test_a_name_holds_nothing_that_a_terminal_would_act_on(tmp_path: Path) -> None:
    name = b"a\x1b[31m\xff.ipynb".decode(errors="surrogateescape")
    (tmp_path / name).write_text("{}")
    assert [each.student for each in find([tmp_path], tmp_path / "unpacked")] == ["a?[31m?"]


@pytest.mark.parametrize(
    ("path", "student"),
    [
        ("submitted/ada/hw1/lab.ipynb", "ada"),
        ("submitted/ada/hw1/windowing.ipynb", "ada"),
        ("Ada Lovelace_4711_assignsubmission_file/any name.ipynb", "Ada Lovelace"),
        ("Ada Lovelace_4711_assignsubmission_file_/lab.ipynb", "Ada Lovelace"),
        ("Ada Lovelace_4711_assignsubmission_file_lab.ipynb", "Ada Lovelace"),
        ("lovelaceada_12345_67890_lab.ipynb", "lovelaceada"),
        ("lovelaceada_LATE_12345_67890_lab-2.ipynb", "lovelaceada"),
        ("ada_lovelace.ipynb", "ada_lovelace"),
        ("zoe\u0308.ipynb", "zo\u00eb"),
        ("a;rm -rf $HOME.ipynb", "a;rm -rf $HOME"),
    ],
)
def test_students_are_named_as_their_systems_do(tmp_path: Path, path: str, student: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text("{}")
    folder = tmp_path / "submitted" if path.startswith("submitted") else tmp_path
    found = find([folder], tmp_path / "unpacked")
    assert [each.student for each in found] == [student]


def test_a_notebook_near_the_root_has_its_student() -> None:
    assert student_of(Path("/tmp/ada.ipynb")) == "ada"
    assert student_of(Path("/ada.ipynb")) == "ada"
