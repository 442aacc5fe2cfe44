from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reference_stack.shop.returning import Returning
from reference_stack.world import preset, returning_level

Make = Callable[..., Any]
PARAMETERS = preset("default")


def lived(returning: Returning, day: int, quality: float, patience: float = 1.0, failed: int = 0) -> float:
    for _ in range(10 - failed):
        returning.saw(quality, patience)
    for _ in range(failed):
        returning.failed()
    returning.midnight(day)
    return returning.level


def warmed(stage: Any) -> Returning:
    returning = Returning(PARAMETERS, stage.folder)
    for day in range(-10, 0):
        assert lived(returning, day, 0.5 if day < -7 else 1.4) == 1.0
    return returning


def test_normal_is_the_mean_of_the_last_seven_warm_up_days(stage: Any) -> None:
    returning = warmed(stage)
    assert lived(returning, 0, 1.4) == pytest.approx(1.0)


def test_quality_and_patience_move_the_level(stage: Any) -> None:
    returning = warmed(stage)
    level = lived(returning, 0, 0.7, patience=0.8)
    assert level == pytest.approx(returning_level(PARAMETERS, 1.0, 0.5, 0.8))
    assert lived(returning, 1, 0.7, patience=0.8) < level


def test_failed_views_are_patience_lost(stage: Any) -> None:
    returning = warmed(stage)
    assert lived(returning, 0, 1.4, failed=5) == pytest.approx(returning_level(PARAMETERS, 1.0, 1.0, 0.5))
    assert lived(returning, 1, 1.4, failed=10) == pytest.approx(0.9 * 0.9707, abs=1e-3)


def test_a_day_without_views_says_nothing(stage: Any) -> None:
    returning = warmed(stage)
    level = lived(returning, 0, 0.7)
    returning.midnight(1)
    assert returning.level == level


def test_the_level_outlives_the_process(stage: Any) -> None:
    level = lived(warmed(stage), 0, 0.7)
    assert Returning(PARAMETERS, stage.folder).level == level
    assert lived(Returning(PARAMETERS, stage.folder), 1, 1.4) > level


def test_fewer_come_back_to_a_slow_shop(make_stage: Make) -> None:
    stage = make_stage(start_day=-2.0)
    stage.start()
    stage.advance(1.0)
    assert stage.metric("returning_level") == pytest.approx(1.0, abs=0.01)
    for replica in stage.replicas:
        replica.delay_ms = 232.0
    stage.advance(3.05)
    assert stage.metric("returning_level") < 0.975
    level = stage.metric("returning_level")
    stage.machine.end("shop")
    stage.machine.start("shop", stage._shop, stage.machine.process("collector").server.shell)
    stage.advance(3.06)
    assert stage.metric("returning_level") == level
