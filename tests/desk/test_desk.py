"""The start page: what it says next, what it links to, and what its search finds."""

import re

import pytest
from bs4 import BeautifulSoup

from streamgym.checks.labs import course_root, load_exercises
from streamgym.checks.results import Result, Verdict
from streamgym.desk.catalog import CHAPTERS, labs, search, tours
from streamgym.desk.page import found_html, next_step, page, standings
from streamgym.interview.questions import questions
from streamgym.lab.progress import Progress


@pytest.fixture
def html():
    return BeautifulSoup(page()._repr_html_(), "html.parser")


def solve(lab, *names):
    for name in names:
        points = load_exercises(lab)[name].points
        Progress().record(lab, Result(name, name, Verdict.PASSED, points, points))


def test_every_link_leads_to_a_file_or_a_place_on_the_page(html):
    targets = [link["href"] for link in html.find_all("a")]
    assert targets
    for target in targets:
        if target.startswith("#"):
            assert html.find(id=target[1:]), target
        else:
            assert (course_root() / "notebooks" / target).resolve().is_file(), target


def test_every_chapter_and_every_question_is_there(html):
    text = html.get_text()
    for number, title in CHAPTERS.items():
        assert f"{number}. {title}" in text
    for number, each in questions().items():
        assert each.question in html.find(id=f"question-{number}").get_text()


def test_every_chapter_leads_somewhere(html):
    for number, title in CHAPTERS.items():
        row = html.find("th", string=f"{number}. {title}").parent
        assert row.find("a"), title


def test_every_tour_is_linked(html):
    linked = {link["href"] for link in html.find_all("a")}
    assert len(tours()) > 5
    for tour in tours():
        assert not tour.chapters or f"../{tour.path}" in linked


def test_the_next_step_is_what_was_begun_and_then_the_first():
    assert next_step(standings(Progress())).lab.name == "03_windowing"
    solve("05_exactly_once", next(iter(load_exercises("05_exactly_once"))))
    assert next_step(standings(Progress())).lab.name == "05_exactly_once"
    solve("05_exactly_once", *load_exercises("05_exactly_once"))
    assert next_step(standings(Progress())).lab.name == "03_windowing"


def test_progress_moves_the_bar(html):
    assert "width: 0%" in str(html)
    solve("03_windowing", *load_exercises("03_windowing"))
    assert "width: 100%" in page()._repr_html_()


def test_all_done_leads_to_the_interview():
    for lab in labs():
        solve(lab.name, *lab.exercises)
    assert "mock interview" in page()._repr_html_()


def test_search_finds_sections_and_questions_that_hold_all_words():
    hits = search("Watermark late", labs())
    assert any(hit.path.startswith("labs/03_windowing/lab.ipynb#") for hit in hits)
    assert any(hit.path == "#question-16" for hit in hits)
    assert search("watermark nosuchword", labs()) == search("  ", labs()) == []
    assert "nothing found" in found_html([])
    assert re.search(r'href="\.\./labs/03_windowing/lab\.ipynb#[^"]+"', found_html(hits))
