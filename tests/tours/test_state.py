from pathlib import Path

import pytest

from streamgym.checks import topics
from streamgym.lab.scripts import workspace
from streamgym.tours import orders, shop_flow, state


@pytest.fixture
def killed(kafka):
    """The program of the tour, killed when it had counted each order: its place and topics."""
    source, target = topics.create(kafka), topics.create(kafka)
    env = {"BROKERS": kafka, "INPUT": source, "OUTPUT": target}
    history = orders.history(seed=3, scale=0.05)
    topics.produce(kafka, source, history, key="order_id")
    with workspace(Path(shop_flow.__file__).read_text()) as place:
        process = place.start(env)
        state.wait_for(kafka, target, orders.placed(history))
        process.kill()
        yield place, env, history


def grown(killed, kafka, more):
    """Let more orders come, start the program again, and return its totals."""
    place, env, _ = killed
    env = env | {"OUTPUT": topics.create(kafka)}
    topics.produce(kafka, env["INPUT"], more, key="order_id")
    process = place.start(env)
    state.wait_for(kafka, env["OUTPUT"], orders.placed(more))
    process.kill()
    return state.last_totals(kafka, env["OUTPUT"])


@pytest.mark.stack
def test_the_store_holds_each_kind_of_state(killed):
    place, _, history = killed
    found = state.snapshots(place.folder / "store")
    assert {each.step for each in found} == {"read", "total", "join", "window"}
    sums = {each.key: each.value for each in found if each.step == "total"}
    assert sums.keys() <= orders.sales(history).keys()
    assert list(state.table(found).index) == ["join", "read", "total", "window"]


@pytest.mark.stack
def test_totals_go_on_after_a_kill_and_not_when_they_were_deleted(killed, kafka):
    place, _, history = killed
    more = orders.history(seed=4, scale=0.05)
    due = orders.sales([*history, *more])
    assert due.items() >= grown(killed, kafka, more).items()
    state.forget(place.folder / "store", "total")
    assert not [s for s in state.snapshots(place.folder / "store") if s.step == "total"]
    assert sum(grown(killed, kafka, more).values()) < sum(due.values())
