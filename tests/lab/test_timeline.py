"""The picture of a trace."""

import matplotlib.pyplot as plt
import pytest

from streamgym.faults.trace import Fate, Trace
from streamgym.faults.wire import Request
from streamgym.lab.timeline import timeline


@pytest.fixture
def drawn(monkeypatch):
    """Draw a trace, and return the texts in the picture."""
    monkeypatch.setattr(plt, "show", lambda: None)

    def draw(trace):
        timeline(trace, "a title")
        axes = plt.gcf().axes[0]
        texts = [text.get_text().strip() for text in axes.texts]
        rows = [label.get_text() for label in axes.get_yticklabels()]
        plt.close("all")
        return [text for text in texts if text], rows

    return draw


def add(trace, kind, fate=Fate.ANSWERED, lane="worker"):
    trace.add(lane, Request(b"", kind, durable=True)).fate = fate


def test_each_request_each_system_and_each_crash_is_there(drawn):
    trace = Trace()
    add(trace, "COMMIT")
    add(trace, "Produce", Fate.UNANSWERED)
    trace.mark("worker", "killed")
    trace.mark("worker", "started again")
    add(trace, "Produce", Fate.UNDELIVERED)
    texts, rows = drawn(trace)
    assert texts == ["COMMIT 1", "Produce 1", "Produce 2", "killed", "started again"]
    assert rows == ["worker", "Postgres", "Kafka"]


def test_two_workers_have_a_row_each(drawn):
    trace = Trace()
    add(trace, "Produce", lane="zombie")
    add(trace, "Produce", lane="successor")
    assert drawn(trace)[1] == ["zombie", "successor", "Kafka"]


def test_an_empty_trace_is_an_empty_picture(drawn):
    assert drawn(Trace()) == ([], ["worker"])
