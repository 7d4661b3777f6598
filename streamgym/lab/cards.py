"""The cards that a learner sees: HTML in a notebook, plain text on a terminal; one look for all."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from IPython.display import DisplayHandle, display
from jinja2 import Environment, PackageLoader

from streamgym.checks import Exercise
from streamgym.checks.results import Expectation, Result
from streamgym.lab.progress import Standing

if TYPE_CHECKING:
    import ipywidgets

TEMPLATES = Environment(loader=PackageLoader("streamgym.lab"), autoescape=True, trim_blocks=True)
DOING = {
    "function": "calling your function with fresh data …",
    "worker": "running your worker on the broker, and reading what it wrote …",
    "plan": "running your query on Spark, batch by batch …",
    "query": "running your streaming query, and what it writes …",
    "choice": "trying your choice on your data …",
}


class Hints(Protocol):
    """Whoever can show the next hint."""

    def hint(self, name: str) -> None:
        """Show the next hint of an exercise."""


def html(template: str, **values: object) -> str:
    """Return a template of this package, filled in, with the common style."""
    return styled(TEMPLATES.get_template(template).render(**values))


def styled(body: str) -> str:
    """Return HTML with the common style."""
    return f"<style>{TEMPLATES.get_template('style.css').render()}</style>{body}"


class Card:
    """Something that shows itself as HTML or as text."""

    template: str

    def _repr_html_(self) -> str:
        return html(self.template, **vars(self))


@dataclass(repr=False)
class Checking(Card):
    """A check is under way."""

    title: str
    what: str
    template = "checking.html.j2"

    def __repr__(self) -> str:
        return f"{self.title}: {self.what}"


@dataclass(repr=False)
class ResultCard(Card):
    """The verdict on an answer, with its evidence."""

    result: Result
    template = "result.html.j2"

    def __repr__(self) -> str:
        result = self.result
        head = f"{result.verdict.upper()}  {result.title}"
        lines = [f"{head}  ({result.points:g} of {result.max_points:g} points)"]
        lines += [f"  {result.reason}"] if result.reason else []
        for expectation in result.expectations:
            lines += _lines(expectation)
        lines += [f"  hint: {result.hint}"] if result.hint else []
        return "\n".join(lines)


def _lines(expectation: Expectation) -> Iterator[str]:
    yield f"  {'✓' if expectation.passed else '✗'} {expectation.name}"
    for piece in expectation.evidence:
        yield f"      given     {piece.given}"
        yield f"      expected  {piece.expected}"
        yield f"      got       {piece.actual}"


@dataclass(repr=False)
class Hint(Card):
    """One rung of the hint ladder."""

    number: int
    total: int
    text: str
    template = "hint.html.j2"

    def __repr__(self) -> str:
        return f"Hint {self.number} of {self.total}: {self.text}"


@dataclass(repr=False)
class ProgressTable(Card):
    """How far a learner is with the exercises of a lab."""

    rows: list[tuple[Exercise, Standing]]
    template = "progress.html.j2"

    def __repr__(self) -> str:
        return "\n".join(
            f"{s.points:5g} of {e.points:<3g} {s.verdict:<14} {e.title}" for e, s in self.rows
        )


@dataclass
class Shown:
    """A card on the page that can be replaced."""

    handle: DisplayHandle
    title: str

    def progress(self, what: str) -> None:
        """Show how far a check is."""
        self.handle.update(Checking(self.title, what))

    def result(self, result: Result, hints: Hints) -> None:
        """Show a result in its place; when it failed, with a button for the next hint."""
        self.handle.update(ResultCard(result))
        if result.expectations and result.hint:
            display(_hint_button(result.exercise, hints))


@contextmanager
def checking(exercise: Exercise) -> Iterator[Shown]:
    """Show that an exercise is being checked, until its result replaces the card."""
    handle = display(Checking(exercise.title, DOING[exercise.kind]), display_id=True)
    try:
        yield Shown(handle, exercise.title)
    except KeyboardInterrupt:
        handle.update(Checking(exercise.title, "stopped; nothing was counted"))
        raise


def _hint_button(name: str, hints: Hints) -> "ipywidgets.Widget":
    import ipywidgets  # takes long, and is of no use while nothing has failed

    button = ipywidgets.Button(description="Another hint", icon="lightbulb-o")
    shown = ipywidgets.Output()

    def clicked(_: Any) -> None:
        with shown:
            hints.hint(name)

    button.on_click(clicked)
    return ipywidgets.VBox([button, shown])
