"""The rows behind the charts."""

from __future__ import annotations

import msgspec
import pytest

from chaos.domain.event import Event, Undone, Views
from chaos.domain.picture import Picture
from chaos.domain.scenario import Arm, Harm
from chaos.scoring.arms import views_of
from chaos.scoring.picture import harm_series, lanes_of, picture_of
from tests.journals import DAYS, Story


def test_the_lanes_are_the_faults_the_layers_the_alerts_and_the_models() -> None:
    views = views_of(Story().journals())
    lanes = lanes_of(views[Arm.DEFENDED], views[Arm.UNDEFENDED])
    assert lanes.lanes == (
        "fault late_partition",
        "volume",
        "freshness",
        "hold",
        "alert VolumeRed",
        "model",
        "model, no layers",
    )
    fault, effect = lanes.bars[:2]
    assert (fault.start, fault.end, effect.start, effect.end) == (3.5, 8.5, 4.2, 8.5)
    models = [(bar.role, bar.label) for bar in lanes.bars if bar.lane == "model, no layers"]
    assert models.count(("defective", "v24")) == 1
    assert {role for role, label in models if label in ("v23", "v29")} == {"clean"}
    assert any(bar.role == "stale" for bar in lanes.bars if bar.lane == "model")


def test_the_lanes_of_a_killed_arm_end_where_its_journal_does() -> None:
    views = views_of(Story().cut(Arm.DEFENDED, 6.3).journals())
    lanes = lanes_of(views[Arm.DEFENDED], None)
    assert max(bar.end for bar in lanes.bars) == pytest.approx(6.3, abs=0.05)
    assert "not undone" in lanes.bars[0].says


def test_a_fault_whose_undo_failed_is_not_told_to_be_undone() -> None:
    def fails(event: Event) -> Event:
        if not isinstance(event, Undone):
            return event
        return msgspec.structs.replace(event, outcome="failed", says="link gone")

    story = Story().change(Arm.DEFENDED, fails)
    trial = story.score()
    assert trial.faults[0].undone_day is None
    (recovered,) = [one for one in trial.reasons if one.about == "recovered"]
    assert "the undo of late_partition failed: link gone" in recovered.says
    fault = lanes_of(views_of(story.journals())[Arm.DEFENDED], None).bars[0]
    assert (fault.end, fault.says) == (DAYS, "late_partition injected on day 3.50, not undone")
    story.add(Arm.DEFENDED, Undone(10.0, "late_partition-1", "undone"))
    assert story.score().faults[0].undone_day == 10.0


def test_harm_is_drawn_for_what_happened_and_quality_with_its_noise() -> None:
    series = {one.kind: one for one in harm_series(views_of(Story().journals()))}
    assert set(series) == {Harm.DEFECTIVE_VIEWS, Harm.QUALITY_PCT_DAYS}
    defective = series[Harm.DEFECTIVE_VIEWS].points
    assert sum(value for _, value in defective[Arm.UNDEFENDED]) == 3000
    assert sum(value for _, value in defective[Arm.DEFENDED]) == 0
    assert series[Harm.QUALITY_PCT_DAYS].band == 9.0


def test_without_the_defended_arm_the_first_that_was_run_is_drawn() -> None:
    story = Story()
    del story.events[Arm.DEFENDED]
    picture = picture_of(story.journals())
    assert picture.arm is Arm.CONTROL
    assert picture.lanes is not None
    assert "model, no layers" in picture.lanes.lanes
    assert picture_of({}) == Picture(None, None, ())


def test_the_turns_that_a_canary_and_its_champion_take_are_one_bar() -> None:
    """In every other tick of half a day most views are the canary's."""

    def alternate(event: Event) -> Event:
        if not isinstance(event, Views) or not 1.0 <= event.start_day < 1.45:
            return event
        version = 77 if round(event.start_day * 24) % 2 else 20
        return msgspec.structs.replace(
            event, rows=[msgspec.structs.replace(row, version=version) for row in event.rows]
        )

    lanes = picture_of(Story().change(Arm.DEFENDED, alternate).journals()).lanes
    assert lanes is not None
    models = [bar for bar in lanes.bars if bar.lane == "model"]
    assert not [bar for bar in models if "version 77" in bar.says]
    assert all(bar.end - bar.start > 0.2 for bar in models)
