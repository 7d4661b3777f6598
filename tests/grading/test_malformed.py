"""Malformed notebooks of every kind: never an error, always a row, and a page that can be read."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamgym.checks.labs import load_exercises
from streamgym.checks.results import Verdict
from streamgym.grading import exports, feedback
from streamgym.grading.found import find
from streamgym.grading.gradebook import Gradebook, Row, Status
from streamgym.grading.marks import Mark
from streamgym.grading.submission import names, workers

LAB = "03_windowing"

TEXT = st.text(max_size=20) | st.sampled_from(
    ["\ud800", "\x00", "\u202e", "=1+1", "<script>", "%%worker x\n", f'Lab("{LAB}")', "e\u0301" * 9]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


SOURCE = TEXT | st.lists(TEXT, max_size=3)
OUTPUT = st.fixed_dictionaries(
    {"output_type": st.just("stream"), "name": st.just("stdout"), "text": SOURCE}
) | st.fixed_dictionaries(
    {
        "output_type": st.just("display_data"),
        "data": st.dictionaries(TEXT, SOURCE, max_size=2),
        "metadata": st.just({}),
    }
)
CODE = st.fixed_dictionaries(
    {
        "cell_type": st.just("code"),
        "source": SOURCE,
        "id": st.sampled_from(["same", "same", "other"]),
        "metadata": st.just({"tags": ["raises-exception"]}),
        "outputs": st.lists(OUTPUT, max_size=2),
        "execution_count": st.none() | st.integers(0, 9),
    }
)
PROSE = st.fixed_dictionaries(
    {"cell_type": st.just("markdown"), "source": SOURCE, "metadata": st.just({})}
)
NOTEBOOK = st.fixed_dictionaries(
    {
        "cells": st.lists(CODE | PROSE, max_size=4),
        "metadata": st.just(
            {"streamgym": {"lab": LAB}, "kernelspec": {"name": "python3", "display_name": "3"}}
        ),
        "nbformat": st.just(4),
        "nbformat_minor": st.integers(0, 5),
    }
)
"""Notebooks as nbformat's schema wants them."""


@st.composite
def broken(draw: st.DrawFn) -> Any:
    """A notebook with up to three places deleted, doubled, or replaced by anything."""
    notebook = copy.deepcopy(draw(NOTEBOOK))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.sampled_from([*containers(notebook)]))
        if not place:
            continue
        key = draw(st.sampled_from([*place])) if isinstance(place, dict) else len(place) - 1
        how = draw(st.sampled_from(["delete", "double", "replace", "replace"]))
        if how == "delete":
            del place[key]
        elif how == "double" and isinstance(place, list):
            place.append(copy.deepcopy(place[key]))
        else:
            place[key] = draw(ANYTHING)
    return notebook


def containers(value: Any) -> Iterator[Any]:
    """Every dict and list in a value, itself too."""
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from containers(inner)


def written(folder: Path, content: bytes) -> Row:
    """Read a file as a submission, keep its row, and write its page and the gradebook."""
    (folder / "eve.ipynb").write_bytes(content)
    (found,) = find([folder / "eve.ipynb"], folder / "unpacked")
    submitted = found.read()
    assert bool(submitted.reason) != bool(submitted.lab)
    results = tuple(
        exercise.without_marks(Verdict.NOT_ATTEMPTED, "untouched")
        for exercise in (load_exercises(submitted.lab).values() if submitted.lab else ())
    )
    workers(submitted.code)
    assert all(isinstance(names(text), set) for text in submitted.code)
    answers = {result.exercise: submitted.answer(result.exercise) for result in results}
    row = Row(
        submitted.student,
        str(submitted.path),
        submitted.digest,
        submitted.lab,
        submitted.reason,
        True,
        "s",
        results=results,
        answers=answers,
    )
    book = Gradebook(folder)
    book.add(row)
    mark = Mark(row)
    written = exports.write(folder / "gradebook.csv", exports.gradebook([mark]))
    assert written.read_text().count("\n") == 2
    page = feedback.write(folder / "feedback", mark).read_text()
    assert "<script>" not in page
    assert book.rows() == [row]
    return row


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(notebook=broken() | ANYTHING)
def test_a_notebook_of_any_shape_has_its_row(notebook: Any, tmp_path: Path) -> None:
    row = written(tmp_path, json.dumps(notebook).encode("utf-8", "surrogatepass"))
    assert row.status in (Status.GRADED, Status.UNGRADABLE)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(start=st.integers(0, 400), junk=st.binary(max_size=30), notebook=NOTEBOOK)
def test_damaged_bytes_have_their_row(start: int, junk: bytes, notebook: Any, tmp_path: Path):
    whole = json.dumps(notebook).encode()
    written(tmp_path, whole[:start] + junk + whole[start + len(junk) :])


def test_huge_and_deep_values_have_their_row(tmp_path: Path) -> None:
    deep = '{"a":' * 50_000 + "1" + "}" * 50_000
    for content in (deep, "[" * 10**6, '{"cells": ' + "9" * 10**6 + "}", '"' + "x" * 10**6 + '"'):
        assert written(tmp_path, content.encode()).reason
