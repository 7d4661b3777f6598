"""Which submissions of a lab resemble each other, for an instructor who asks.

Each answer is read as a row of Python's tokens, without comments, names and the values of literals,
and without the lines that the learner's notebook came with. Two answers are compared by the longest
row of tokens that both have in this order (`rapidfuzz`). Short exercises have few right answers:
what is similar is a reason to look, and nothing more.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import nbformat
from pygments.lexers import PythonLexer
from pygments.token import Comment, Literal, Name, Text
from rapidfuzz.distance import Indel

from streamgym.checks.labs import course_root, load_exercises
from streamgym.grading.submission import Submission, code_of

SHORTEST = 20
"""Tokens that an answer must have to be compared: shorter ones are alike by chance."""

HIDDEN = (Name, Literal)
"""Kinds of tokens of which only the kind is compared: a copy's first disguise are other names."""


@dataclass(frozen=True)
class Pair:
    """Two submissions, how similar they are (0 to 1), and so each answer that both have."""

    first: str
    second: str
    similarity: float
    answers: dict[str, float]


def pairs(submissions: Sequence[Submission], lab: str, threshold: float) -> list[Pair]:
    """Return the pairs at or above a threshold, the most similar first.

    A pair's similarity is that of its answers, each weighed by its length in tokens.

    Args:
        submissions: those of several labs may be among them.
        lab: whose answers are compared.
        threshold: the smallest similarity that is of interest, 0 to 1.
    """
    given = _starter_lines(lab)
    written = {s.student: _answers(s, given) for s in submissions if s.lab == lab}
    compared = (
        pair for a, b in combinations(written, 2) if (pair := _pair(a, b, written[a], written[b]))
    )
    found = [pair for pair in compared if pair.similarity >= threshold]
    return sorted(found, key=lambda pair: (-pair.similarity, pair.first, pair.second))


def _pair(
    first: str, second: str, one: dict[str, list[str]], other: dict[str, list[str]]
) -> Pair | None:
    both = [name for name in one if name in other]
    if not both:
        return None
    answers = {name: Indel.normalized_similarity(one[name], other[name]) for name in both}
    weights = {name: len(one[name]) + len(other[name]) for name in both}
    total = sum(answers[name] * weights[name] for name in both)
    return Pair(first, second, total / sum(weights.values()), answers)


def _answers(submitted: Submission, given: set[str]) -> dict[str, list[str]]:
    """Return the tokens of each answer that is long enough."""
    tokens = {
        name: list(_tokens(submitted.answer(name), given)) for name in load_exercises(submitted.lab)
    }
    return {name: found for name, found in tokens.items() if len(found) >= SHORTEST}


def _tokens(code: str, given: set[str]) -> Iterator[str]:
    own = "\n".join(line for line in code.splitlines() if line.strip() not in given)
    for kind, text in PythonLexer().get_tokens(own):
        if kind in Comment or kind in Text:
            continue
        hidden = next((group for group in HIDDEN if kind in group), None)
        yield str(hidden) if hidden else text


def _starter_lines(lab: str) -> set[str]:
    """Return the lines of code that everybody was given; none where the notebook is not here."""
    path = course_root() / "labs" / lab / "lab.ipynb"
    code: Iterable[str] = code_of(nbformat.read(path, as_version=4)) if path.exists() else ()
    return {line.strip() for text in code for line in text.splitlines()}
