"""The page about the class, counted from rows."""

from pathlib import Path

from bs4 import BeautifulSoup

from streamgym.checks.results import Expectation, Result, Verdict
from streamgym.grading import overview
from streamgym.grading.gradebook import Row

HOSTILE = "<script>alert(1)</script>"


def result(points: float, hint: str = "", verdict: Verdict | None = None) -> Result:
    passed = Expectation("easy", True, 1), Expectation("hard", points == 2, 1, hint=1)
    given = verdict or (Verdict.PASSED if points == 2 else Verdict.FAILED)
    judged = () if verdict else passed
    return Result("double", "Twice", given, points, 2.0, judged, hint)


def row(student: str, *results: Result) -> Row:
    return Row(student, "x", "", "01_tiny", "", True, "1234abcd", 1.0, results)


ROWS = [
    row("ada", result(2)),
    row("ben", result(1, "Add it.")),
    row("chen", result(1, "Add it.")),
    row("dara", result(1, "Look again.")),
    row("eli", result(0, verdict=Verdict.NOT_ATTEMPTED)),
    row("fay", result(0, verdict=Verdict.UNGRADABLE)),
]


def test_checks_and_misconceptions_are_counted() -> None:
    (each,) = overview.count(ROWS)
    assert each.verdicts[Verdict.FAILED] == 3
    assert each.percent("passed") == 100 / 6
    assert [(c.name, c.passed, c.judged) for c in each.checks] == [("hard", 1, 4), ("easy", 4, 4)]
    assert each.hints == [("Add it.", 2), ("Look again.", 1)]


def test_only_what_was_graded_whole_is_in_the_histogram() -> None:
    assert overview.histogram(ROWS) == [1, 0, 0, 0, 0, 3, 0, 0, 0, 1]


def test_the_page_tells_it_all_names_no_seed_and_executes_nothing() -> None:
    page = overview.render([*ROWS, row(HOSTILE, result(1, HOSTILE))])
    text = BeautifulSoup(page, "html.parser").get_text(" ")
    for due in ["7 submissions", "Add it.", "1 not attempted", "1 of 5", "ada"]:
        assert due in " ".join(text.split()), due
    assert "1234abcd" not in page
    assert "<script" not in page


def test_every_link_leads_to_a_page_of_feedback(tmp_path: Path) -> None:
    page = overview.write(tmp_path, ROWS).read_text()
    links = [link["href"] for link in BeautifulSoup(page, "html.parser").find_all("a")]
    assert links == [f"feedback/{each.student}.html" for each in ROWS]


def test_a_class_of_nobody_gives_a_page_all_the_same() -> None:
    assert "0 submissions" in overview.render([])
