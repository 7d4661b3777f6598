from dataclasses import replace

import ipywidgets
import pytest

from streamgym.tours import bill
from streamgym.tours.bill import HOURS, Pipeline

ROUND = Pipeline(events=1_000, size=1_000, compression=2, days=10, replicas=3, groups=4, years=1)


def test_the_volumes_of_a_megabyte_a_second():
    assert ROUND.gigabytes() == pytest.approx(
        {
            "topic": 0.5 * 86_400 * 10 * 3 / 1000,
            "files": 86_400 * 365 / 10 / 1000,
            "to replicas": 0.5 * 2 * HOURS * 3600 / 1000,
            "to groups": 0.5 * 4 * HOURS * 3600 / 1000,
        }
    )


def test_each_price_moves_its_own_part():
    before = ROUND.costs()
    for price, parts in {
        "hot": {"topic"},
        "cold": {"files"},
        "traffic": {"to replicas", "to groups"},
        "machine": {"consumers"},
    }.items():
        after = replace(ROUND, **{price: 2 * getattr(ROUND, price)}).costs()
        assert {part for part in before if after[part] != before[part]} == parts
        assert all(after[part] == pytest.approx(2 * before[part]) for part in parts)


def test_a_machine_that_is_always_on_is_paid_for_each_hour():
    assert Pipeline(consumer_hours=24, machine=1).costs()["consumers"] == pytest.approx(HOURS)


def test_the_calculator_draws_anew_what_is_changed(monkeypatch):
    drawn = []
    monkeypatch.setattr(bill, "draw", drawn.append)
    shown = bill.calculator(ROUND)
    assert drawn.pop() == {"yours": ROUND}
    sliders = shown.children[0].children[0].children
    (days,) = [each for each in sliders if each.description == "days in the topic"]
    assert isinstance(days, ipywidgets.IntSlider)
    days.value = 30
    assert drawn.pop() == {"yours": replace(ROUND, days=30)}
