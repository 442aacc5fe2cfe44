from __future__ import annotations

import pytest

from chaos.domain.pace import SLOWEST, Pace, at_pace, pace_for
from tests.harness import edited, planned

WORK = 65_000.0


@pytest.mark.parametrize(
    ("able", "day_seconds"),
    [
        (1_000_000.0, 1.0),
        (118_200.0, 1.0),
        (118_000.0, 1.1),
        (108_000.0, 1.1),
        (80_000.0, 1.5),
        (1_000.0, SLOWEST),
    ],
)
def test_a_day_is_as_long_as_leaves_processors_room_and_never_shorter(
    able: float, day_seconds: float
) -> None:
    pace = pace_for(1.0, WORK, able)
    assert pace.day_seconds == day_seconds
    assert (pace.says == "") == (day_seconds == 1.0)


def test_it_says_what_was_measured() -> None:
    assert pace_for(1.0, WORK, 48_000.0).says == (
        "a day takes 2.5 s, not 1: this machine does 48 thousand pieces of work a second now, "
        "and a day needs 65 thousand"
    )


def test_a_target_that_asks_for_long_days_keeps_them() -> None:
    assert pace_for(30.0, WORK, 10_000.0) == Pace(30.0)


def test_all_arms_of_a_trial_have_one_pace_and_say_why() -> None:
    trial = at_pace(planned(), Pace(1.5, "slow"))
    assert {(arm.day_seconds, arm.slowed) for arm in trial.arms} == {(1.5, "slow")}
    assert len(trial.arms) == 4


def test_a_scenario_about_load_keeps_its_own() -> None:
    trial = planned(edited(day_seconds=1))
    assert at_pace(trial, Pace(1.5, "slow")) == trial
