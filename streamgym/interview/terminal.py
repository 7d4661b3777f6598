"""Interview practice on a terminal."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.prompt import FloatPrompt, IntPrompt, Prompt
from rich.table import Table
from rich.text import Text

from streamgym.interview import mock, scenarios
from streamgym.interview.deck import RATINGS, Deck
from streamgym.interview.questions import Question, questions
from streamgym.interview.scenarios import Scenario, Step


def listed() -> Table:
    """Return all questions as a table."""
    table = Table("", "topic", "question", "seen in")
    for number, each in questions().items():
        table.add_row(str(number), each.topic, each.question, ", ".join(each.see))
    return table


def card(question: Question) -> RenderableType:
    """Return a question's answer with all that belongs to it."""
    return Panel(Group(*_parts(question)), title=f"{question.number}. {question.question}")


def _parts(question: Question) -> Iterator[RenderableType]:
    yield Text(question.answer)
    yield Text("\nWhat is asked next", style="bold")
    for follow_up in question.follow_ups:
        yield Text(f"- {follow_up.ask}", style="italic")
        yield Text(f"  {follow_up.answer}")
    yield Text("\nWhat gives you away", style="bold")
    yield from (Text(f"- {mistake}") for mistake in question.mistakes)
    if question.guide:
        yield Text(f"\nAbout the guide: {question.guide}", style="yellow")
    places = [f"labs/{lab}" for lab in question.see]
    places += [f"notebooks/{tour}" for tour in question.tours]
    if places:
        yield Text(f"\nSee it happen: {', '.join(places)}")
    yield Text(f"Checked against: {'; '.join(question.sources)}", style="dim")


def practise(console: Console, deck: Deck, number: int) -> None:
    """Ask the questions that are due, at most so many."""
    due = deck.due()[:number]
    for place, each in enumerate(due, 1):
        question = questions()[each]
        console.rule(f"{place} of {len(due)} · {question.topic}")
        _ask(console, question)
        meaning = ", ".join(f"{name}: {text}" for name, (_, text) in RATINGS.items())
        console.print(f"How well did you know it? {meaning}", highlight=False)
        rating = Prompt.ask("rating", console=console, choices=list(RATINGS), default="good")
        console.print(f"next time {_in(deck.rate(each, rating))}", style="dim")
    console.print(_standing(deck))


def interview(console: Console, deck: Deck, rng: Random) -> None:
    """Hold a mock interview, and note in the deck how well each question was known."""
    began, rated = time.monotonic(), []
    console.print(f"{mock.MINUTES} minutes: {mock.QUESTIONS} questions and a design. Speak aloud.")
    for question in mock.plan(rng):
        console.rule(f"{_left(began)} · about {mock.MINUTES_A_QUESTION} minutes")
        _ask(console, question)
        rated.append(mock.Rated(question, _marks(console)))
        deck.rate(question.number, rated[-1].rating)
    console.rule(_left(began))
    design(console, scenarios.draw(rng.choice(list(scenarios.SCENARIOS)), rng))
    console.print(_report(rated))
    console.print(f"Work on: {mock.weakest(rated)} ({mock.RUBRIC[mock.weakest(rated)]}).")


def design(console: Console, scenario: Scenario) -> None:
    """Ask for a scenario's numbers, and check each."""
    console.print(Panel(scenario.brief, title=scenario.title))
    right = sum(_number(console, step) for step in scenario.steps)
    console.print(f"{right} of {len(scenario.steps)} numbers are right.\n\nTalk about:")
    for item in scenario.talk_about:
        console.print(f"- {item}", highlight=False)


def _ask(console: Console, question: Question) -> None:
    console.print(f"[bold]{question.question}")
    Prompt.ask("answer aloud, then press Enter", console=console, default="", show_default=False)
    console.print(card(question))


def _marks(console: Console) -> dict[str, int]:
    marks = {}
    for line, meaning in mock.RUBRIC.items():
        ask = f"{line} ({meaning})"
        marks[line] = IntPrompt.ask(ask, console=console, choices=["0", "1", "2"])
    return marks


def _number(console: Console, step: Step) -> bool:
    answer = FloatPrompt.ask(f"\n{step.ask} [{step.unit}]".replace("[", "\\["), console=console)
    wrong = step.judge(answer)
    verdict = f"[red]no: {wrong}[/red]" if wrong else "[green]right[/green]"
    console.print(f"{verdict}. {step.due:,.4g} {step.unit}: {step.working}", highlight=False)
    return not wrong


def _report(rated: list[mock.Rated]) -> Table:
    table = Table("question", *mock.RUBRIC, "of " + str(mock.BEST), "see")
    for one in rated:
        marks = [str(one.marks[line]) for line in mock.RUBRIC]
        see = ", ".join(one.question.see)
        table.add_row(one.question.question, *marks, str(one.total), see)
    return table


def _left(began: float) -> str:
    left = mock.MINUTES - (time.monotonic() - began) / 60
    return f"{left:.0f} minutes left" if left > 0 else f"{-left:.0f} minutes over"


def _standing(deck: Deck) -> str:
    due, upcoming = len(deck.due()), deck.next_due()
    left = f"{due} are due now" if due or not upcoming else f"the next is due {_in(upcoming)}"
    return f"{deck.known()} of {len(questions())} questions seen; {left}."


def _in(moment: datetime) -> str:
    minutes = (moment - datetime.now(UTC)).total_seconds() / 60
    if minutes < 60:
        return f"in {max(0, minutes):.0f} minutes"
    return f"in {minutes / 60:.0f} hours" if minutes < 48 * 60 else f"in {minutes / 1440:.0f} days"
