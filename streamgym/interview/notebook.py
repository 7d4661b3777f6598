"""Interview practice in a notebook: the same cards and designs as on the terminal, as widgets."""

from random import Random
from typing import Any

import ipywidgets
from IPython.display import display
from jinja2 import Environment, PackageLoader

from streamgym.interview import scenarios
from streamgym.interview.deck import RATINGS, Deck
from streamgym.interview.questions import question, questions
from streamgym.interview.scenarios import Scenario, Step

PAGES = Environment(loader=PackageLoader("streamgym.interview"), autoescape=True, trim_blocks=True)
UP = "../"
"""From the notebook's folder to the course's."""


def practise(number: int = 10) -> None:
    """Show the flash cards that are due, at most so many, one after the other."""
    display(FlashCards(Deck(), number).widget)


def design(name: str, seed: int | None = None) -> None:
    """Show a scenario (shop, iot or trading) to be designed, and check its numbers.

    Raises:
        StreamgymError: there is no such scenario.
    """
    display(_scenario(scenarios.draw(name, Random(seed))))


class FlashCards:
    """One card at a time: the question, then its answer and the ratings."""

    def __init__(self, deck: Deck, number: int) -> None:
        self._deck = deck
        self._left = deck.due()[:number]
        self._text = ipywidgets.HTML()
        self._buttons = ipywidgets.HBox()
        self.widget = ipywidgets.VBox([self._text, self._buttons])
        self._ask()

    def _ask(self) -> None:
        if not self._left:
            known = f"{self._deck.known()} of {len(questions())} questions seen"
            self._show(f"<p>Nothing more for now: {known}, {len(self._deck.due())} are due.</p>")
            self._buttons.children = ()
            return
        asked = question(self._left[0])
        self._show(f"<p><b>{asked.question}</b></p><p>{len(self._left)} to go. Answer aloud.</p>")
        self._buttons.children = (_button("Show the answer", "", self._answer),)

    def _answer(self) -> None:
        asked = question(self._left[0])
        body = PAGES.get_template("question.html.j2").render(question=asked, up=UP)
        self._show(f"<p><b>{asked.question}</b></p>{body}")
        self._buttons.children = tuple(
            _button(name, meaning, lambda name=name: self._rate(name))
            for name, (_, meaning) in RATINGS.items()
        )

    def _rate(self, rating: str) -> None:
        self._deck.rate(self._left.pop(0), rating)
        self._ask()

    def _show(self, html: str) -> None:
        self._text.value = f'<div style="max-width: 62em; line-height: 1.45">{html}</div>'


def _scenario(drawn: Scenario) -> ipywidgets.Widget:
    head = f"<p><b>{drawn.title}</b></p><p>{drawn.brief}</p>"
    talk = "".join(f"<li>{item}</li>" for item in drawn.talk_about)
    rows = [_step(step) for step in drawn.steps]
    parts = [ipywidgets.HTML(head), *rows, ipywidgets.HTML(f"<p>Talk about:</p><ul>{talk}</ul>")]
    return ipywidgets.VBox(parts, layout={"max_width": "62em"})


def _step(step: Step) -> ipywidgets.Widget:
    answer, verdict = ipywidgets.FloatText(layout={"width": "9em"}), ipywidgets.HTML()

    def judged() -> None:
        wrong = step.judge(answer.value)
        said = f"✗ {wrong}" if wrong else "✓ right"
        verdict.value = f"{said}. {step.due:,.4g} {step.unit}: {step.working}"

    entry = [answer, ipywidgets.Label(step.unit), _button("Check", "", judged)]
    return ipywidgets.VBox([ipywidgets.HTML(step.ask), ipywidgets.HBox(entry), verdict])


def _button(name: str, tooltip: str, clicked: Any) -> ipywidgets.Button:
    button = ipywidgets.Button(description=name, tooltip=tooltip)
    button.on_click(lambda _: clicked())
    return button
