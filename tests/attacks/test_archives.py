"""9. Archives and names: hostile zip files, graded with honest work in them."""

import stat
import zipfile
from pathlib import Path

import nbformat
import pytest

from streamgym.grading.batch import grade_all
from streamgym.grading.gradebook import Row

from .attack import DOUBLE, FAVOURITE, PLAIN, notebook

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("course")]

SOLVED = nbformat.writes(notebook((PLAIN, DOUBLE, FAVOURITE))).encode()
STARTER = nbformat.writes(notebook((PLAIN, "favourite = ..."))).encode()
HONEST = ("a honest.ipynb", "m honest.ipynb", "z honest.ipynb")
HOSTILE = {
    "../../escaped.ipynb": STARTER,
    "/tmp/escaped absolutely.ipynb": STARTER,
    "C:\\escaped.ipynb": STARTER,
    "b $(touch pwned) `id`; rm -rf * #.ipynb": STARTER,
    "c\n=1+1\x1b[2J<script>.ipynb": STARTER,
    "d bomb.ipynb": b"0" * 50_000_000,
    "a honest.ipynb/..ipynb": STARTER,
}
LINK = "e link.ipynb"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("archive")


@pytest.fixture(scope="module")
def rows(course: Path, here: Path) -> list[Row]:
    with zipfile.ZipFile(here / "class.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in HONEST:
            archive.writestr(name, SOLVED)
        for name, content in HOSTILE.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        link = zipfile.ZipInfo(LINK)
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    return grade_all([here / "class.zip"], here / "out", jobs=2, progress=False)


def test_honest_work_keeps_its_marks(rows) -> None:
    scores = {row.student: row.score for row in rows}
    assert [scores[Path(name).stem] for name in HONEST] == [3, 3, 3]


def test_every_entry_but_the_link_has_a_row_and_earns_nothing(rows) -> None:
    assert len(rows) == len(HONEST) + len(HOSTILE)
    assert sum(row.score for row in rows) == 9


def test_the_bomb_is_cut_off(rows) -> None:
    (bomb,) = [row for row in rows if "bomb" in row.student]
    assert "larger than" in bomb.reason


def test_nothing_was_written_elsewhere(rows, here: Path) -> None:
    assert sorted(path.name for path in here.iterdir()) == ["class.zip", "out"]
    assert not list(here.parent.glob("*.ipynb"))
    assert not Path("/tmp/escaped absolutely.ipynb").exists()
    assert not Path("pwned").exists()


def test_no_name_is_executed_by_a_page_or_a_spreadsheet(rows, here: Path) -> None:
    pages = [path.read_text() for path in (here / "out").rglob("*.html")]
    assert len(pages) > len(rows)
    assert not [page for page in pages if "<script>.ipynb" in page or "\x1b" in page]
    lines = (here / "out" / "gradebook.csv").read_text().splitlines()
    assert not [line for line in lines if line.startswith(("=", "+", "@"))]
