"""Which submissions resemble each other."""

from pathlib import Path

import pytest

from streamgym.grading import similar
from streamgym.grading.found import find
from streamgym.grading.similar import pairs
from streamgym.grading.submission import Submission

LAB = "03_windowing"
SAMPLES = Path(__file__).parents[1] / "submissions"


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> dict[str, Submission]:
    found = find([SAMPLES], tmp_path_factory.mktemp("unpacked"))
    return {each.student.split("_")[0]: each.read() for each in found}


def alike(samples: dict[str, Submission], first: str, second: str) -> float:
    found = pairs([samples[first], samples[second]], LAB, 0)
    return found[0].similarity if found else 0.0


def test_answers_in_another_style_are_less_alike_than_copies(samples) -> None:
    assert alike(samples, "ada", "gus") == 1.0
    assert alike(samples, "ada", "eli") > 0.9
    assert alike(samples, "ada", "ben") < 0.8


def test_order_and_copies_within_a_notebook_hide_nothing(samples) -> None:
    assert alike(samples, "ada", "jo") == 1.0


def test_what_everybody_was_given_is_nobodys_answer(samples) -> None:
    assert alike(samples, "chen", "kim") == 0.0
    assert "tumbling" not in pairs([samples["ada"], samples["gus"]], LAB, 0)[0].answers  # too short


def test_pairs_are_sorted_and_others_labs_are_left_out(samples) -> None:
    found = pairs([*samples.values()], LAB, 0.9)
    assert [p.similarity for p in found] == sorted((p.similarity for p in found), reverse=True)
    assert pairs([*samples.values()], "04_delivery_guarantees", 0) == []


RENAMED = [
    "def f(times, gap):\n    out = [1]\n    for t in times:\n        out.append(t + gap)\n",
    '# mine\ndef f(a, b):\n    """My own."""\n    c = [2]\n\n    for d in a:\n'
    "        c.append(d + b)  # add\n",
]


def test_other_names_comments_and_numbers_hide_little() -> None:
    one, other = ([*similar._tokens(text, set())] for text in RENAMED)
    assert similar.Indel.normalized_similarity(one, other) > 0.9


@pytest.mark.parametrize("code", ["def f(:", "'''open", "%%worker x\n!ls", "\ud800", "\x00", ""])
def test_what_is_no_python_is_compared_all_the_same(code: str) -> None:
    assert isinstance([*similar._tokens(code, set())], list)
