"""Stream, micro-batch or batch: advice that can be argued with.

Each circumstance speaks for one of the three with a weight; the advice is the heaviest, and says
what spoke for it and against it (guide, chapter 4: its lists of reasons).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ipywidgets
from IPython.display import display

WAYS = ("stream", "micro-batch", "batch")


@dataclass(frozen=True)
class Circumstance:
    """One thing to know about a task: its possible answers, and what each speaks for.

    ``answers`` gives for each answer the weights for stream, micro-batch and batch.
    """

    name: str
    question: str
    answers: Mapping[str, tuple[int, int, int]]


CIRCUMSTANCES = (
    Circumstance(
        "freshness",
        "How old may the answer be?",
        {
            "below a second": (9, -6, -16),
            "seconds": (2, 2, -4),
            "minutes": (0, 3, 0),
            "hours, or a day": (-2, 0, 3),
        },
    ),
    Circumstance(
        "action",
        "What happens with it?",
        {
            "a machine acts at once": (3, 0, -3),
            "a person looks at it": (0, 2, 1),
            "it is filed, or read once a day": (-2, 0, 3),
        },
    ),
    Circumstance(
        "input",
        "How does the data come?",
        {"event by event": (2, 1, 0), "as files, or a whole table": (-2, 0, 3)},
    ),
    Circumstance(
        "history",
        "What must one answer look at?",
        {
            "the event itself": (2, 1, 0),
            "the last minutes or hours": (1, 2, 0),
            "years, joined with much else": (-3, 0, 3),
        },
    ),
    Circumstance(
        "wrong",
        "What does an early answer that is wrong cost?",
        {"little; it is corrected": (1, 1, 0), "much; it must balance": (-1, 0, 2)},
    ),
    Circumstance(
        "team",
        "Who is there when it breaks at night?",
        {"people on call": (1, 0, 0), "nobody until the morning": (-2, 0, 2)},
    ),
)


@dataclass(frozen=True)
class Advice:
    """What to use; ``reasons`` and ``objections`` are circumstances with their answers."""

    way: str
    scores: Mapping[str, int]
    reasons: tuple[str, ...]
    objections: tuple[str, ...]

    @property
    def is_close(self) -> bool:
        """Whether another way has almost as much for it."""
        best, second, *_ = sorted(self.scores.values(), reverse=True)
        return best - second <= 2


def advise(answers: Mapping[str, str], heavier: Sequence[str] = ()) -> Advice:
    """Return the advice for these answers, by the names of the circumstances.

    Args:
        answers: one of each circumstance's answers.
        heavier: the circumstances that count twice: where you disagree with the weights.

    Raises:
        KeyError: an answer is missing, or none of those that there are.
    """
    weights = {
        each.name: [
            weight * (2 if each.name in heavier else 1)
            for weight in each.answers[answers[each.name]]
        ]
        for each in CIRCUMSTANCES
    }
    scores = {way: sum(w[n] for w in weights.values()) for n, way in enumerate(WAYS)}
    best = max(WAYS, key=lambda way: scores[way])
    column = WAYS.index(best)
    said = {each.name: f"{each.question} {answers[each.name]}" for each in CIRCUMSTANCES}
    return Advice(
        best,
        scores,
        tuple(said[name] for name, w in weights.items() if w[column] > 0),
        tuple(said[name] for name, w in weights.items() if w[column] < 0),
    )


def show(advice: Advice) -> str:
    """Return advice as HTML."""
    scores = ", ".join(f"{way} {score:+d}" for way, score in advice.scores.items())
    close = " It is close: both would do." if advice.is_close else ""
    parts = [f"<p><b>{advice.way}</b> ({scores}).{close}</p>"]
    for title, lines in (("for it", advice.reasons), ("against it", advice.objections)):
        if lines:
            items = "".join(f"<li>{line}</li>" for line in lines)
            parts.append(f"<p>{title}</p><ul>{items}</ul>")
    return "".join(parts)


def choose() -> None:
    """Show the chooser: an answer for each circumstance, what counts twice, and the advice."""
    wide = {"description_width": "22em"}
    answers = {
        each.name: ipywidgets.Dropdown(
            options=list(each.answers),
            description=each.question,
            style=wide,
            layout={"width": "46em"},
        )
        for each in CIRCUMSTANCES
    }
    heavier = ipywidgets.SelectMultiple(
        options=[each.name for each in CIRCUMSTANCES],
        description="what counts twice, for you",
        style=wide,
    )
    said = ipywidgets.HTML()

    def changed(_: object = None) -> None:
        given = {name: widget.value for name, widget in answers.items()}
        said.value = show(advise(given, heavier.value))

    for widget in (*answers.values(), heavier):
        widget.observe(changed, "value")
    changed()
    display(ipywidgets.VBox([*answers.values(), heavier, said]))
