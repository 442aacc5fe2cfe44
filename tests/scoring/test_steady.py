"""Steady state and recovery: gained and lost by three readings in a row."""

from __future__ import annotations

import msgspec
import pytest

from chaos.domain.event import Event, Phase, Reading, Undone
from chaos.domain.scenario import Arm
from chaos.domain.verdict import TrialResult, Verdict
from chaos.scoring.arms import view_of
from chaos.scoring.steady import moments_of
from tests.journals import Story, Told, readings, without


def verdict(trial: TrialResult, about: str) -> Verdict:
    return next(one.verdict for one in trial.reasons if one.about == about)


def recovered(story: Story) -> float | None:
    recovery = story.score().faults[0].recovery
    return None if recovery is None else recovery.day


def test_recovery_is_the_first_of_three_good_readings() -> None:
    assert recovered(Story()) == 9.5
    # Two good readings between bad ones are not enough.
    story = Story().change(Arm.DEFENDED, readings(False, 10.0))
    assert recovered(story) == 10.25


def test_a_single_bad_reading_later_loses_nothing() -> None:
    story = Story().change(Arm.DEFENDED, readings(False, 12.0, 12.25))
    assert recovered(story) == 9.5
    assert story.score().verdict is Verdict.PASSED


def test_three_bad_readings_in_a_row_are_a_relapse() -> None:
    story = Story().change(Arm.DEFENDED, readings(False, 12.0, 12.25, 12.5))
    assert recovered(story) == 12.75
    assert verdict(story.score(), "recovered") is Verdict.FAILED
    assert verdict(story.score(), "steady state after") is Verdict.PASSED


def test_never_well_again_fails() -> None:
    days = [8.5 + tick / 4 for tick in range(24)]
    trial = Story().change(Arm.DEFENDED, readings(False, *days)).score()
    assert trial.faults[0].recovery is None
    assert verdict(trial, "recovered") is Verdict.FAILED
    assert verdict(trial, "steady state after") is Verdict.FAILED
    arm = next(arm for arm in trial.arms if arm.arm is Arm.DEFENDED)
    assert (arm.steady_before, arm.steady_after) == (True, False)


def test_not_well_yet_within_what_was_left_of_the_run_is_void() -> None:
    days = [8.5 + tick / 4 for tick in range(24)]
    told = Told(expect={**Told().expect, "recovered": {"within": "6d"}})
    trial = Story(told).change(Arm.DEFENDED, readings(False, *days)).score()
    assert verdict(trial, "recovered") is Verdict.VOID


def test_a_probe_that_falls_silent_is_void() -> None:
    days = [8.5 + tick / 4 for tick in range(24)]
    trial = Story().change(Arm.DEFENDED, readings(None, *days)).score()
    assert verdict(trial, "recovered") is Verdict.VOID
    assert verdict(trial, "steady state after") is Verdict.VOID


def test_too_few_readings_are_void() -> None:
    story = Story().drop(Arm.DEFENDED, lambda event: isinstance(event, Reading) and event.day > 9.0)
    trial = story.score()
    assert verdict(trial, "recovered") is Verdict.VOID
    assert verdict(trial, "steady state after") is Verdict.VOID


def test_recovery_slower_than_allowed_fails() -> None:
    for within, expected in (("0.9d", Verdict.FAILED), ("1.1d", Verdict.PASSED)):
        told = Told(expect={**Told().expect, "recovered": {"within": within}})
        assert verdict(Story(told).score(), "recovered") is expected


def test_a_fault_that_was_never_undone_has_no_recovery() -> None:
    story = Story().drop(
        Arm.DEFENDED,
        lambda event: isinstance(event, Undone) or (isinstance(event, Phase) and event.phase == "undo"),
    )
    trial = story.score()
    assert trial.faults[0].undone_day is None
    assert verdict(trial, "recovered") is Verdict.VOID


@pytest.mark.parametrize("arm", [Arm.UNDEFENDED, Arm.BARE])
def test_arms_without_layers_need_not_end_steady(arm: Arm) -> None:
    days = [8.5 + tick / 4 for tick in range(24)]
    assert Story().change(arm, readings(False, *days)).score().verdict is Verdict.PASSED


def test_readings_of_one_time_belong_together_and_others_are_left_out() -> None:
    story = Story(without(Told(), "hold")).add(
        Arm.CONTROL, Reading(3.5001, "good_views", 0.5, False), Reading(3.51, "abort_probe", 9.0, False)
    )
    moments = moments_of(view_of(story.journals()[Arm.CONTROL]))
    assert len(moments) == 56
    (bad,) = [moment for moment in moments if not moment.ok]
    assert (bad.day, bad.bad, bad.silent) == (3.5, ("good_views",), ())


def twice(story: Story, ok: bool | None) -> Story:
    """`good_views` is a steady-state probe twice, of two things; the second reads `ok` all along."""
    for plan in story.plan.arms:
        plan.steady_state.append(plan.steady_state[0])
    for arm, events in story.events.items():
        story.add(arm, *(one for one in events if isinstance(one, Reading) and one.probe == "good_views"))
    seen: set[float] = set()

    def second(event: Event) -> Event:
        if not isinstance(event, Reading) or event.probe != "good_views" or event.day < 9:
            return event
        first = event.day not in seen
        seen.add(event.day)
        return event if first else msgspec.structs.replace(event, ok=ok, value=None)

    return story.change(Arm.DEFENDED, second)


@pytest.mark.parametrize(
    ("ok", "expected"), [(True, Verdict.PASSED), (None, Verdict.VOID), (False, Verdict.FAILED)]
)
def test_a_probe_that_is_used_twice_must_be_well_twice(ok: bool | None, expected: Verdict) -> None:
    assert verdict(twice(Story(), ok).score(), "steady state after") is expected
