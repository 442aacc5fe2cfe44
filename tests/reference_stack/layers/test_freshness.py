from typing import Any

import pytest

from reference_stack.layers.contract import GREEN
from reference_stack.layers.evidence import Delivery
from reference_stack.layers.freshness import Freshness, FreshnessParameters


def ask(late_days: float, *, present: bool = False, **parameters: Any):
    evidence = Delivery(
        day=8.0 + late_days,
        partition_day=7,
        due_day=8.0,
        missing_day=8.1,
        present=present,
        rows=4500 if present else 0,
        acknowledged=4500,
        watermark_day=6,
        statistics={},
        reference={},
    )
    return Freshness(FreshnessParameters(**parameters)).decide(evidence)


@pytest.mark.parametrize("late_days", [-1.0, 0.0, 0.49])
def test_is_green_while_the_partition_is_not_late_enough(late_days: float):
    assert ask(late_days) == GREEN


@pytest.mark.parametrize("late_days", [-1.0, 0.6, 30.0])
def test_is_green_once_the_partition_is_there(late_days: float):
    assert ask(late_days, present=True) == GREEN


@pytest.mark.parametrize("late_days", [0.5, 0.99])
def test_warns_from_half_a_day_on(late_days: float):
    decision = ask(late_days)
    assert decision.fired
    assert not decision.acts
    assert decision.detail["late_days"] == pytest.approx(late_days)


@pytest.mark.parametrize("late_days", [1.0, 5.0])
def test_acts_from_one_day_on_and_names_partition_and_watermark(late_days: float):
    decision = ask(late_days)
    assert decision.fired
    assert decision.acts
    assert "day 7" in decision.says
    assert "watermark 6" in decision.says


def test_both_limits_are_parameters():
    assert ask(0.75, warn_days=1.0, error_days=2.0) == GREEN
    assert not ask(1.0, warn_days=1.0, error_days=2.0).acts
    assert ask(2.0, warn_days=1.0, error_days=2.0).acts
