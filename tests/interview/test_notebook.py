"""The widgets of the notebook, clicked as a person does."""

from random import Random

import ipywidgets
import pytest

from streamgym.interview import notebook, scenarios
from streamgym.interview.deck import Deck


def buttons(widget):
    return [w for w in parts(widget) if isinstance(w, ipywidgets.Button)]


def parts(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from parts(child)


def texts(widget):
    return " ".join(w.value for w in parts(widget) if isinstance(w, ipywidgets.HTML))


def click(widget, name):
    next(b for b in buttons(widget) if b.description == name).click()


def test_a_card_is_asked_answered_and_rated(tmp_path):
    deck = Deck(tmp_path)
    cards = notebook.FlashCards(deck, 1).widget
    assert "What separates stream" in texts(cards)
    assert "gives you away" not in texts(cards)
    click(cards, "Show the answer")
    assert "gives you away" in texts(cards)
    assert "../labs/03_windowing/lab.ipynb" in texts(cards)
    click(cards, "good")
    assert "Nothing more for now: 1 of 28 questions seen, 27 are due" in texts(cards)
    assert buttons(cards) == []
    assert deck.known() == 1


@pytest.mark.parametrize("name", scenarios.SCENARIOS)
def test_numbers_are_judged_where_they_are_entered(name):
    drawn = scenarios.draw(name, Random(1))
    shown = notebook._scenario(drawn)
    fields = [w for w in parts(shown) if isinstance(w, ipywidgets.FloatText)]
    for field, step in zip(fields, drawn.steps, strict=True):
        field.value = step.due
    for button in buttons(shown):
        button.click()
    assert texts(shown).count("✓ right") == len(drawn.steps)
    fields[0].value = 0
    buttons(shown)[0].click()
    assert "✗ too small" in texts(shown)
