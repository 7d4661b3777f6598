"""Flash cards: which question is due, by the free spaced-repetition scheduler FSRS."""

from datetime import UTC, datetime
from pathlib import Path

from fsrs import Card, Rating, Scheduler

from streamgym.interview.questions import questions
from streamgym.lab.saved import Saved

RATINGS = {
    "again": (Rating.Again, "I did not know it"),
    "hard": (Rating.Hard, "with much effort"),
    "good": (Rating.Good, "I knew it"),
    "easy": (Rating.Easy, "at once"),
}
"""How well an answer was known: FSRS's rating, and what it means."""


class Deck:
    """A card for each question, kept in one JSON file in the user's data folder.

    Args:
        folder: where the file lies; ``STREAMGYM_STATE``, or the user's data folder, when None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        remedy = "move it away to begin with new cards"
        self._saved = Saved("interview.json", folder, Card.from_dict, Card.to_dict, remedy)
        self._scheduler = Scheduler()

    def due(self, now: datetime | None = None) -> list[int]:
        """Return the numbers of the questions that are due, the longest due first.

        One that was never asked is due after those that were.
        """
        now = now or datetime.now(UTC)
        cards = self._read()
        asked = sorted((n for n in cards if cards[n].due <= now), key=lambda n: cards[n].due)
        return [*asked, *(number for number in questions() if number not in cards)]

    def next_due(self) -> datetime | None:
        """Return when the next card is due; None when no card was ever rated."""
        return min((card.due for card in self._read().values()), default=None)

    def rate(self, number: int, rating: str, now: datetime | None = None) -> datetime:
        """Note how well a question was known, and return when it is due again."""
        key = str(number)
        with self._saved.changed() as cards:
            card = cards.get(key) or Card(card_id=number)
            cards[key], _ = self._scheduler.review_card(card, RATINGS[rating][0], now)
        return cards[key].due

    def known(self) -> int:
        """Return how many questions were rated at least once."""
        return len(self._read())

    def _read(self) -> dict[int, Card]:
        return {int(number): card for number, card in self._saved.read().items()}
