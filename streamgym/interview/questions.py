"""The guide's interview questions, answered in our own words; they are in ``questions.yml``."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from streamgym.errors import StreamgymError


@dataclass(frozen=True)
class FollowUp:
    """What a good interviewer asks next, and a short answer."""

    ask: str
    answer: str


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        number: as in the guide, from 1.
        topic: what it belongs to, such as ``kafka``.
        follow_ups: what is asked next.
        mistakes: what gives a candidate away.
        see: the labs in which the answer can be seen happening.
        tours: the chapter tours in which it can.
        sources: what the facts were checked against.
        guide: where the guide is dated or wrong; mostly empty.
    """

    number: int
    topic: str
    question: str
    answer: str
    follow_ups: tuple[FollowUp, ...]
    mistakes: tuple[str, ...]
    see: tuple[str, ...]
    sources: tuple[str, ...]
    guide: str = ""
    tours: tuple[str, ...] = ()


@cache
def questions() -> dict[int, Question]:
    """Return all questions by number."""
    text = files(__package__).joinpath("questions.yml").read_text(encoding="utf-8")
    return {raw["number"]: _question(raw) for raw in yaml.safe_load(text)}


def question(number: int) -> Question:
    """Return one question.

    Raises:
        StreamgymError: there is none of this number.
    """
    found = questions()
    if number not in found:
        raise StreamgymError(f"there is no question {number}: choose one from 1 to {len(found)}")
    return found[number]


def _question(raw: dict[str, Any]) -> Question:
    follow_ups = tuple(FollowUp(**item) for item in raw["follow_ups"])
    lists = {name: tuple(raw.get(name, ())) for name in ("mistakes", "see", "sources", "tours")}
    texts = {name: raw[name].strip() for name in ("question", "answer")}
    return Question(**(raw | lists | texts | {"follow_ups": follow_ups}))
