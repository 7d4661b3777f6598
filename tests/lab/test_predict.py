import pytest
from traitlets import TraitError

from streamgym.lab.predict import Prediction, Verdict


@pytest.fixture
def asked():
    return Prediction("Which is fresher?", ["stream", "batch"])


@pytest.mark.parametrize(
    ("chosen", "kind", "said"),
    [("stream", "passed", "You said: stream"), ("batch", "failed", "You said: batch")],
)
def test_a_prediction_is_compared_with_what_happened(asked, chosen, kind, said, capsys):
    asked.choose(chosen)
    card = Verdict(asked.question, asked.value, "stream", "It never waits.")
    assert card.kind == kind
    assert f'class="sg {kind}"' in card._repr_html_()
    assert said in card._repr_html_()
    assert "It never waits." in repr(card)


def test_who_did_not_say_is_told_and_not_marked(asked):
    card = Verdict(asked.question, asked.value, "batch", "")
    assert card.kind == "not-attempted"
    assert "You did not say" in card._repr_html_()


def test_only_its_answers_can_be_chosen_or_happen(asked):
    with pytest.raises(TraitError):
        asked.choose("both")
    with pytest.raises(ValueError, match="none of the answers"):
        asked.reveal("both")
