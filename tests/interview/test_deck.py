from datetime import UTC, datetime, timedelta

import pytest

from streamgym.errors import StreamgymError
from streamgym.interview.deck import Deck

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_all_cards_are_due_at_first_and_what_is_known_comes_back_later(tmp_path):
    deck = Deck(tmp_path)
    assert deck.due(NOW) == list(range(1, 29))
    easy, again = deck.rate(3, "easy", NOW), deck.rate(4, "again", NOW)
    assert easy - NOW > timedelta(days=3)
    assert again - NOW < timedelta(hours=1)
    assert 3 not in deck.due(NOW)
    assert Deck(tmp_path).due(NOW + timedelta(hours=2))[0] == 4
    assert Deck(tmp_path).due(easy)[:2] == [4, 3]


def test_intervals_grow_with_each_success(tmp_path):
    deck, now, gaps = Deck(tmp_path), NOW, []
    for _ in range(6):
        due = deck.rate(1, "good", now)
        gaps.append(due - now)
        now = due
    assert gaps == sorted(gaps)
    assert gaps[-1] > timedelta(days=20)


def test_a_broken_file_is_kept_and_named(tmp_path):
    (tmp_path / "interview.json").write_text("{")
    with pytest.raises(StreamgymError, match="move it away"):
        Deck(tmp_path).due()
    with pytest.raises(StreamgymError):
        Deck(tmp_path).rate(1, "good")
    assert (tmp_path / "interview.json").read_text() == "{"
