"""A mock interview of 30 minutes: questions of different topics, rated by oneself on a rubric."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from streamgym.interview.questions import Question, questions

MINUTES = 30
QUESTIONS = 4
MINUTES_A_QUESTION = 5
"""What is left of the time belongs to a scenario."""

RUBRIC = {
    "idea": "the core of the answer, in one sentence, without being asked twice",
    "mechanism": "how it works, in the field's own words",
    "limits": "what it costs, where it ends, what goes wrong",
    "follow-ups": "answered without guessing",
}
"""What an interviewer listens for; each is rated 0 (missing), 1 (partly) or 2 (convincing)."""

BEST = 2 * len(RUBRIC)


def plan(rng: Random) -> list[Question]:
    """Draw the questions of one interview, each of another topic."""
    by_topic: dict[str, list[Question]] = {}
    for question in questions().values():
        by_topic.setdefault(question.topic, []).append(question)
    return [rng.choice(by_topic[topic]) for topic in rng.sample(sorted(by_topic), QUESTIONS)]


@dataclass(frozen=True)
class Rated:
    """A question, and what its answer was worth on each line of the rubric."""

    question: Question
    marks: Mapping[str, int]

    @property
    def total(self) -> int:
        """The marks together, of ``BEST``."""
        return sum(self.marks.values())

    @property
    def rating(self) -> str:
        """How well it was known, in the words of the flash cards."""
        return ("again", "hard", "good", "easy")[min(3, 4 * self.total // BEST)]


def weakest(rated: list[Rated]) -> str:
    """Return the line of the rubric on which the fewest marks were earned."""
    return min(RUBRIC, key=lambda line: sum(one.marks[line] for one in rated))
