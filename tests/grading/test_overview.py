"""The page about the class, counted from rows."""

from dataclasses import replace
from pathlib import Path

from bs4 import BeautifulSoup

from streamgym.checks.results import Expectation, Result, Verdict
from streamgym.grading import overview
from streamgym.grading.course import Lateness
from streamgym.grading.gradebook import Row
from streamgym.grading.marks import Mark

HOSTILE = "<script>alert(1)</script>"


def result(points: float, hint: str = "", verdict: Verdict | None = None) -> Result:
    passed = Expectation("easy", True, 1), Expectation("hard", points == 2, 1, hint=1)
    given = verdict or (Verdict.PASSED if points == 2 else Verdict.FAILED)
    judged = () if verdict else passed
    return Result("double", "Twice", given, points, 2.0, judged, hint)


def mark(student: str, *results: Result) -> Mark:
    return Mark(Row(student, "x", "", "01_tiny", "", True, "1234abcd", 1.0, results))


MARKS = [
    mark("ada", result(2)),
    mark("ben", result(1, "Add it.")),
    mark("chen", result(1, "Add it.")),
    mark("dara", result(1, "Look again.")),
    mark("eli", result(0, verdict=Verdict.NOT_ATTEMPTED)),
    mark("fay", result(0, verdict=Verdict.UNGRADABLE)),
]


def test_checks_and_misconceptions_are_counted() -> None:
    (each,) = overview.count([m.row for m in MARKS])
    assert each.verdicts[Verdict.FAILED] == 3
    assert each.percent("passed") == 100 / 6
    assert [(c.name, c.number, c.of) for c in each.checks] == [("hard", 1, 4), ("easy", 4, 4)]
    assert [(h.name, h.number, h.of) for h in each.hints] == [
        ("Add it.", 2, 3),
        ("Look again.", 1, 3),
    ]


def test_only_what_was_graded_whole_is_in_the_histogram() -> None:
    assert overview.histogram(MARKS) == [1, 0, 0, 0, 0, 3, 0, 0, 0, 1]


def test_the_page_tells_it_all_names_no_seed_and_executes_nothing() -> None:
    page = overview.render([*MARKS, mark(HOSTILE, result(1, HOSTILE))])
    text = BeautifulSoup(page, "html.parser").get_text(" ")
    for due in ["7 submissions", "Add it.", "1 not attempted", "1 of 5", "ada"]:
        assert due in " ".join(text.split()), due
    assert "1234abcd" not in page
    assert "<script" not in page


def test_every_link_leads_to_a_page_of_feedback(tmp_path: Path) -> None:
    page = overview.write(tmp_path, MARKS).read_text()
    links = [link["href"] for link in BeautifulSoup(page, "html.parser").find_all("a")]
    assert links == [f"feedback/{each.row.student}.html" for each in MARKS]


def test_a_class_of_nobody_gives_a_page_all_the_same() -> None:
    assert "0 submissions" in overview.render([])


def test_only_what_counts_is_counted_and_who_is_missing_has_no_page() -> None:
    again = replace(mark("ada (2)", result(1, "Add it.")), counts=False)
    nobody = Row("zoe", "", "", "01_tiny", "nothing was handed in", True, "", person="zoe")
    page = overview.render([*MARKS, again, Mark(nobody, name=HOSTILE)], "Streams <autumn>")
    text = " ".join(BeautifulSoup(page, "html.parser").get_text(" ").split())
    assert "7 submissions" in text
    assert "Add it. 2 of 3" in text
    assert "a later one counts" in text
    assert "1 missing" in text
    assert "feedback/zoe.html" not in page
    assert "<script" not in page
    assert "Streams <autumn>" in text


def test_the_scores_are_those_that_remain() -> None:
    late = replace(mark("ada", result(2)), late=Lateness(days=1, percent=25.0))
    assert overview.histogram([late]) == [0] * 7 + [1, 0, 0]
    assert "1 day, -0.5" in overview.render([late])
