"""The start page: HTML that needs no widgets, and widgets where there are some."""

from dataclasses import dataclass
from html import escape
from typing import Any

import ipywidgets
from IPython.display import HTML, display
from jinja2 import ChoiceLoader, Environment, PackageLoader

from streamgym.desk.catalog import CHAPTERS, Hit, Lab, Tour, labs, search, tours
from streamgym.errors import StreamgymError
from streamgym.interview.deck import Deck
from streamgym.interview.questions import Question, questions
from streamgym.lab.cards import styled
from streamgym.lab.progress import Progress
from streamgym.stack import shared

LOADERS = ChoiceLoader([PackageLoader("streamgym.desk"), PackageLoader("streamgym.interview")])
PAGES = Environment(loader=LOADERS, autoescape=True, trim_blocks=True)

UP = "../"
"""From the start page's folder to the course's."""


@dataclass(frozen=True)
class Standing:
    """How far a learner is with a lab."""

    lab: Lab
    points: float
    of: float
    passed: int
    begun: bool

    @property
    def done(self) -> bool:
        """Whether every exercise is passed."""
        return self.passed == len(self.lab.exercises)

    @property
    def percent(self) -> int:
        """The share of the points."""
        return round(100 * self.points / self.of)


def standings(progress: Progress) -> list[Standing]:
    """Return how far the learner is with each lab."""
    return [_standing(lab, progress) for lab in labs()]


def _standing(lab: Lab, progress: Progress) -> Standing:
    each = [progress.standing(lab.name, name) for name in lab.exercises]
    return Standing(
        lab,
        sum(one.points for one in each),
        sum(exercise.points for exercise in lab.exercises.values()),
        sum(one.verdict == "passed" for one in each),
        any(one.attempts for one in each),
    )


def next_step(found: list[Standing]) -> Standing | None:
    """Return the lab to go on with: one that was begun, else the first; None when all are done."""
    open_ones = [one for one in found if not one.done]
    return next((one for one in open_ones if one.begun), open_ones[0] if open_ones else None)


@dataclass(frozen=True)
class Page:
    """All that the start page shows."""

    standings: list[Standing]
    cards_due: int
    systems: list[shared.Status]

    @property
    def next(self) -> Standing | None:
        """Where to go on."""
        return next_step(self.standings)

    @property
    def chapters(self) -> list[tuple[int, str, list[Tour | Lab]]]:
        """Each chapter of the guide with the tours and labs that belong to it."""
        there: list[Tour | Lab] = [*tours(), *(one.lab for one in self.standings)]
        return [
            (number, title, [one for one in there if number in one.chapters])
            for number, title in CHAPTERS.items()
        ]

    @property
    def questions(self) -> list[Question]:
        """The interview questions."""
        return list(questions().values())

    def _repr_html_(self) -> str:
        return styled(PAGES.get_template("desk.html.j2").render(page=self, up=UP))

    def __repr__(self) -> str:
        return "\n".join(
            f"{one.points:5g} of {one.of:<4g} {one.lab.title} ({one.lab.path})"
            for one in self.standings
        )


def page() -> Page:
    """Return the start page as of now."""
    return Page(standings(Progress()), len(Deck().due()), shared.status())


def open_desk() -> None:
    """Show the start page, below a search and a button that starts the systems."""
    button = ipywidgets.Button(
        description="Start the systems", icon="play", layout={"width": "max-content"}
    )
    words = _words()
    display(ipywidgets.VBox([ipywidgets.HBox([button, words]), _hits(words)]))
    _start_with(button, display(page(), display_id=True))


def _start_with(button: ipywidgets.Button, shown: Any) -> None:

    def clicked(_: object) -> None:
        button.disabled = True
        try:
            for name in shared.SERVERS:
                button.description = f"starting {name} …"
                shared.address(name)
            button.description = "They run"
        except StreamgymError as error:
            button.description, button.tooltip, button.disabled = "Try again", str(error), False
        shown.update(page())

    button.on_click(clicked)


def _words() -> ipywidgets.Text:
    placeholder = "search: watermark, lag, upsert …"
    return ipywidgets.Text(placeholder=placeholder, continuous_update=True)


def _hits(words: ipywidgets.Text) -> ipywidgets.HTML:
    hits, known = ipywidgets.HTML(), labs()

    def typed(change: dict[str, Any]) -> None:
        hits.value = found_html(search(change["new"], known)) if change["new"].strip() else ""

    words.observe(typed, "value")
    return hits


def found(words: str) -> HTML:
    """Return what a search gives; for those who have no widgets."""
    return HTML(found_html(search(words, labs())))


def found_html(hits: list[Hit]) -> str:
    """Return hits as a list of links."""
    if not hits:
        return "<p>nothing found</p>"
    items = [f'<li><a href="{_href(hit)}">{escape(hit.text)}</a></li>' for hit in hits[:20]]
    return f"<ul>{''.join(items)}</ul>"


def _href(hit: Hit) -> str:
    return escape(hit.path if hit.path.startswith("#") else UP + hit.path, quote=True)
