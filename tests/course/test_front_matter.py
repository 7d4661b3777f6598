"""Reading whole sources: front matter, worker cells, and what is told when they are wrong."""

import pytest

from streamgym.course.source import read_source
from streamgym.errors import StreamgymError

FRONT = "# ---\n# title: Tiny\n# chapters: [1]\n# questions: []\n# minutes: 5\n# ---\n\n"
WORKER = """# %% worker="shout"
import os

# BEGIN SOLUTION
print(os.environ["TEXT"].upper())
# STARTER print(os.environ["TEXT"])
# END SOLUTION
"""


@pytest.fixture
def write(tmp_path):
    def write_source(text):
        path = tmp_path / "lab.py"
        path.write_text(text)
        return path

    return write_source


def test_front_matter_and_cells_are_read_in_order(write):
    text = FRONT + "# %% [markdown]\n# # Tiny\n\n# %%\nx = 1\n"
    source = read_source(write(text))
    assert source.front == {"title": "Tiny", "chapters": [1], "questions": [], "minutes": 5}
    assert [(cell.kind, cell.text) for cell in source.cells] == [
        ("markdown", "# Tiny"),
        ("code", "x = 1"),
    ]


def test_a_worker_cell_is_kept_by_its_magic(write):
    cell = read_source(write(FRONT + WORKER)).answer("shout")
    assert cell.defines == {"shout"}
    assert cell.reference.startswith("%%worker shout\nimport os\n")
    assert cell.reference.endswith('print(os.environ["TEXT"].upper())')
    assert cell.starter == '%%worker shout\nimport os\n\nprint(os.environ["TEXT"])'


def test_only_a_cell_with_a_region_answers_an_exercise(write):
    source = read_source(write(FRONT + "# %%\ndef f(): ...\n"))
    with pytest.raises(StreamgymError, match="no solution region that defines 'f'"):
        source.answer("f")


@pytest.mark.parametrize(
    ("front", "why"),
    [
        ("# ---\n# title: [\n# ---\n", "is not YAML"),
        ("# ---\n# title\n# ---\n", "lines of `key: value`"),
        ("# ---\n# - title\n# ---\n", "lines of `key: value`"),
        ("# ---\n# title: Tiny\n# minutes: 5\n# ---\n", "lacks chapters, questions"),
    ],
)
def test_front_matter_that_cannot_be_used_is_one_line(write, front, why):
    path = write(front + "\n# %%\nx = 1\n")
    with pytest.raises(StreamgymError, match=why) as raised:
        read_source(path)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


def test_a_source_that_is_not_there_says_how_to_make_one(tmp_path):
    with pytest.raises(StreamgymError, match="streamgym new"):
        read_source(tmp_path / "lab.py")
