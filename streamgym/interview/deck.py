"""Flash cards: which question is due, by the free spaced-repetition scheduler FSRS."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock
from fsrs import Card, Rating, Scheduler
from platformdirs import user_data_dir

from streamgym.errors import StreamgymError
from streamgym.interview.questions import questions

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
        base = folder or Path(os.environ.get("STREAMGYM_STATE") or user_data_dir("streamgym"))
        self.path = base / "interview.json"
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
        with self._changed() as cards:
            card = cards.get(number) or Card(card_id=number)
            cards[number], _ = self._scheduler.review_card(card, RATINGS[rating][0], now)
        return cards[number].due

    def known(self) -> int:
        """Return how many questions were rated at least once."""
        return len(self._read())

    @contextmanager
    def _changed(self) -> Iterator[dict[int, Card]]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_suffix(".lock")):
            cards = self._read()
            yield cards
            partial = self.path.with_suffix(".partial")
            partial.write_text(json.dumps({n: card.to_dict() for n, card in cards.items()}))
            partial.replace(self.path)

    def _read(self) -> dict[int, Card]:
        if not self.path.exists():
            return {}
        try:
            saved = json.loads(self.path.read_text())
            return {int(number): Card.from_dict(card) for number, card in saved.items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise StreamgymError(
                f"{self.path} cannot be read: move it away to begin with new cards"
            ) from None
