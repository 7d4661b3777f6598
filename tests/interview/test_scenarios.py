"""The arithmetic of the designs, against figures worked out by hand."""

from random import Random

import pytest

from streamgym.errors import StreamgymError
from streamgym.interview import capacity, scenarios
from streamgym.interview.scenarios import Step


def test_capacity_by_hand():
    assert capacity.megabytes_per_second(10_000, 500) == 5
    assert capacity.partitions(25, per_producer=10, per_consumer=4) == 7
    assert capacity.partitions(25, per_producer=2, per_consumer=4) == 13
    assert capacity.stored_terabytes(10, days=7, replication=3) == pytest.approx(18.144)
    assert capacity.stored_terabytes(10, 7, 3, compression=4) == pytest.approx(4.536)
    assert capacity.broker_output(5, replication=3, groups=2) == 20
    assert capacity.window_state_megabytes(1_000_000, 100, 5) == 500
    assert capacity.catch_up_minutes(30, rate=100, capacity=150) == 60
    assert capacity.little(1000, 0.002) == 2


@pytest.mark.parametrize("name", scenarios.SCENARIOS)
def test_right_answers_pass_and_named_mistakes_are_told(name):
    for seed in range(50):
        for step in scenarios.draw(name, Random(seed)).steps:
            assert step.judge(step.due) == ""
            assert step.judge(step.due * 1.04) == ""
            for mistake, value in step.mistakes.items():
                assert step.judge(value) in ("", mistake)


def test_each_named_mistake_can_be_told_from_the_right_answer():
    told = {
        (name, mistake)
        for name in scenarios.SCENARIOS
        for seed in range(50)
        for step in scenarios.draw(name, Random(seed)).steps
        for mistake, value in step.mistakes.items()
        if step.judge(value) == mistake
    }
    drawn = (scenarios.draw(name, Random(0)) for name in scenarios.SCENARIOS)
    assert {
        (s.name, mistake) for s in drawn for step in s.steps for mistake in step.mistakes
    } <= told


def test_other_wrong_answers_are_told_by_their_side():
    step = Step("How many?", "MB", 100, "by counting", {"that is bits": 800})
    assert step.judge(200) == "too large"
    assert step.judge(50) == "too small"
    assert step.judge(800) == "that is bits"


def test_the_same_seed_draws_the_same_figures():
    assert scenarios.draw("iot", Random(7)) == scenarios.draw("iot", Random(7))


def test_an_unknown_scenario_is_told_with_the_known_ones():
    with pytest.raises(StreamgymError, match="shop, iot, trading"):
        scenarios.draw("bank", Random(1))
