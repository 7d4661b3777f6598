"""Cards: what a learner reads on a terminal and in a notebook."""

import re

import pytest

from streamgym.checks import Case, Expectations, Function, exercise
from streamgym.checks.results import Evidence, Expectation, Result, Verdict
from streamgym.lab import cards
from streamgym.lab.progress import Standing

SLY = '<script>alert("x")</script>'


@exercise(title="Tumbling <windows>", points=10, hints=["Round down."])
def tumbling(answer: Function, case: Case) -> Expectations:
    yield from ()


def failed(text="09:00", **changes):
    given = {
        "exercise": "tumbling",
        "title": "Tumbling",
        "verdict": Verdict.FAILED,
        "points": 2.5,
        "max_points": 10,
        "expectations": (
            Expectation("on the hour", True, seen=3),
            Expectation("in between", False, 4, 3, (Evidence("08:40", "08:00", text),), 1),
        ),
        "hint": "Round down.",
    }
    return Result(**{**given, **changes})


def test_a_result_in_plain_text():
    assert repr(cards.ResultCard(failed())).splitlines() == [
        "FAILED  Tumbling  (2.5 of 10 points)",
        "  ✓ on the hour",
        "  ✗ in between",
        "      given     08:40",
        "      expected  08:00",
        "      got       09:00",
        "  hint: Round down.",
    ]


def test_a_result_without_marks_says_why():
    result = Result("t", "T", Verdict.UNGRADABLE, 0, 10, reason="the broker was lost")
    assert repr(cards.ResultCard(result)) == (
        "UNGRADABLE  T  (0 of 10 points)\n  the broker was lost"
    )
    assert "<p>the broker was lost</p>" in cards.ResultCard(result)._repr_html_()


def test_a_result_in_html_counts_cases_and_shows_evidence():
    page = cards.ResultCard(failed())._repr_html_()
    assert 'class="sg failed"' in page
    assert "failed · 2.5 of 10 points" in page
    assert re.search(r'class="no">in between\s*<small>\(1 of 4 cases\)', page)
    assert "<td>08:40</td><td>08:00</td><td>09:00</td>" in page
    assert re.search(r'class="hint">.*Round down\.</div>', page)


def test_every_verdict_has_its_style():
    style = cards.html("style.css")
    for verdict in Verdict:
        assert f".{verdict.replace(' ', '-')}" in style


@pytest.mark.parametrize(
    "card",
    [
        cards.ResultCard(failed(SLY)),
        cards.ResultCard(failed(expectations=(Expectation(SLY, False),))),
        cards.ResultCard(failed(expectations=(), reason=SLY, hint=SLY, title=SLY)),
        cards.Hint(1, 2, SLY),
        cards.Checking(SLY, SLY),
        cards.ProgressTable([(tumbling, Standing(verdict=SLY))]),
    ],
    ids=["evidence", "expectation", "reason", "hint", "checking", "progress"],
)
def test_html_is_escaped_wherever_it_comes_from(card):
    page = card._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_progress_as_text_and_as_a_bar():
    table = cards.ProgressTable([(tumbling, Standing(2.5, "failed", 3, 1, True))])
    assert repr(table) == "  2.5 of 10  failed         Tumbling <windows>"
    page = table._repr_html_()
    assert "width: 25%" in page
    assert "Tumbling &lt;windows&gt;" in page
    assert "1, solution seen" in page


def test_hints_in_plain_text():
    assert repr(cards.Hint(1, 2, "Round down.")) == "Hint 1 of 2: Round down."


def test_every_kind_of_exercise_says_what_is_being_done():
    from streamgym.checks.exercise import KINDS

    assert set(cards.DOING) == set(KINDS)
