"""Steady state and recovery: gained and lost by three readings in a row."""

from __future__ import annotations

import msgspec
import pytest

from chaos.domain.event import Event, Phase, Reading, Undone
from chaos.domain.scenario import Arm
from chaos.domain.verdict import TrialResult, Verdict
from chaos.scoring.arms import view_of
from chaos.scoring.steady import moments_of, steady_after
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
    for within, expected in (("0.9d", Verdict.FAILED), ("1d", Verdict.PASSED), ("1.1d", Verdict.PASSED)):
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


def test_a_probe_that_is_used_twice_and_read_once_gave_no_data() -> None:
    story, seen = twice(Story(), True), set[float]()

    def second(event: Event) -> bool:
        if not isinstance(event, Reading) or event.probe != "good_views" or event.day < 9:
            return False
        again = event.day in seen
        seen.add(event.day)
        return again

    assert verdict(story.drop(Arm.DEFENDED, second).score(), "steady state after") is Verdict.VOID


def test_all_that_was_left_of_a_run_was_enough_to_recover_in() -> None:
    days = [8.5 + tick / 4 for tick in range(24)]
    told = Told(expect={**Told().expect, "recovered": {"within": "5.5d"}})
    trial = Story(told).change(Arm.DEFENDED, readings(False, *days)).score()
    assert verdict(trial, "recovered") is Verdict.FAILED


def test_the_reading_of_the_undo_itself_is_not_of_after_it() -> None:
    assert recovered(Story(without(Told(), "hold"))) == 8.75


@pytest.mark.parametrize(("day", "expected"), [(3.505, Verdict.VOID), (3.75, Verdict.PASSED)])
def test_without_a_fault_the_reading_of_its_planned_moment_counts_and_none_after_it(
    day: float, expected: Verdict
) -> None:
    """Live, a reading that is asked for at that moment comes a little later."""
    story = Story().drop(Arm.CONTROL, lambda one: isinstance(one, Reading) and one.day in (3.5, day))
    story.add(Arm.CONTROL, *(Reading(day, probe, 0.5, False) for probe in ("good_views", "model_age")))
    assert verdict(story.score(), "steady state before") is expected


def test_a_probe_out_of_band_is_not_excused_by_another_that_is_silent() -> None:
    days = [8.5 + tick / 4 for tick in range(24)]
    story = Story().change(Arm.DEFENDED, readings(False, *days))
    story.drop(
        Arm.DEFENDED, lambda one: isinstance(one, Reading) and one.probe == "model_age" and one.day > 8.5
    )
    assert verdict(story.score(), "steady state after") is Verdict.FAILED


def test_the_newest_moment_that_was_not_well_says_why() -> None:
    silent, bad = [8.5, 8.75, 9.0], [9.25 + tick / 4 for tick in range(20)]
    story = Story().change(Arm.DEFENDED, readings(None, *silent)).change(Arm.DEFENDED, readings(False, *bad))
    trial = story.score()
    assert verdict(trial, "steady state after") is Verdict.FAILED
    says = next(one.says for one in trial.reasons if one.about == "steady state after")
    assert says == "good_views out of band as late as day 14.00"


def test_nothing_that_comes_after_the_next_injection_is_of_the_recovery_before_it() -> None:
    story = Story().change(Arm.DEFENDED, readings(False, 8.75))
    view = view_of(story.journals()[Arm.DEFENDED])
    good = [moment.day for moment in moments_of(view) if moment.ok and 8.5 < moment.day < 10.5]
    assert good == [9.5, 9.75, 10.0, 10.25]
    assert steady_after(view, 8.5, 10.25).ok is True
    assert steady_after(view, 8.5, 10.0).ok is False
