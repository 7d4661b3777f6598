"""Predict, then run: a question before a cell, and its verdict after it."""

from collections.abc import Sequence
from dataclasses import dataclass

import ipywidgets
from IPython.display import display

from streamgym.lab.cards import Card, html


@dataclass(repr=False)
class Verdict(Card):
    """What was predicted, and what happened."""

    question: str
    predicted: str
    happened: str
    because: str
    template = "prediction.html.j2"

    @property
    def kind(self) -> str:
        """How the card is marked: passed, failed, or not attempted."""
        if not self.predicted:
            return "not-attempted"
        return "passed" if self.predicted == self.happened else "failed"

    def _repr_html_(self) -> str:
        return html(self.template, **vars(self), kind=self.kind)

    def __repr__(self) -> str:
        said = f"you said {self.predicted}" if self.predicted else "you did not say"
        return f"{self.question} {said}; it was {self.happened}. {self.because}"


class Prediction:
    """A question with some answers to choose from."""

    def __init__(self, question: str, answers: Sequence[str]) -> None:
        self.question = question
        self.answers = tuple(answers)
        self._choice = ipywidgets.RadioButtons(
            options=answers, value=None, layout={"width": "max-content"}
        )

    @property
    def value(self) -> str:
        """What was chosen; empty when nothing was."""
        return self._choice.value or ""

    def choose(self, answer: str) -> None:
        """Choose an answer, where there are no widgets.

        Raises:
            TraitError: it is none of the answers.
        """
        self._choice.value = answer

    def reveal(self, happened: str, because: str = "") -> None:
        """Show whether the prediction came true.

        Args:
            happened: the answer that is right, as it was just seen.
            because: why.

        Raises:
            ValueError: it is none of the answers.
        """
        if happened not in self.answers:
            raise ValueError(f"{happened!r} is none of the answers {self.answers}")
        display(Verdict(self.question, self.value, happened, because))

    def show(self) -> None:
        """Show the question with its answers."""
        display(ipywidgets.VBox([ipywidgets.HTML(f"<b>{self.question}</b>"), self._choice]))


def predict(question: str, *answers: str) -> Prediction:
    """Ask a question, and return it so that it can be revealed after the next cell."""
    asked = Prediction(question, answers)
    asked.show()
    return asked
