"""What can be said of a run into a stack that stands, and what cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from msgspec import structs

from chaos.domain.change import AddDataToxic
from chaos.domain.event import (
    Alert,
    Applied,
    Effect,
    Event,
    Exit,
    Lag,
    Phase,
    Planned,
    Prepared,
    Reading,
    Refused,
    Undone,
    ViewRow,
)
from chaos.domain.plan import PlannedFault, PlannedHole
from chaos.domain.scenario import Arm, Kind
from chaos.domain.verdict import Reason, TrialResult, Verdict
from chaos.scoring.trial import score_trial
from tests.journals import LAYERS, Story, Told, quiet, rows, signal, without

DETECTED = {"detected": {"by": ["volume"], "within": "1d"}}
MISSED = {"missed_by": ["schema"]}


def standing(
    story: Story, *, looked_before: bool | None = False, values: tuple[float, ...] = (1.0, 1.0)
) -> TrialResult:
    """The defended arm alone, as of a stack that stood before; what its probe saw before the injection, newest
    first.
    """
    plan = story.plan.model_copy(update={"into": "game", "arms": [story.plan.arms[0]]})
    story.add(
        Arm.DEFENDED,
        *(
            Effect(3.5 - nth / 10, "late_partition", looked_before, None if looked_before is None else value)
            for nth, value in enumerate(values, start=1)
        ),
    )
    return score_trial(plan, {Arm.DEFENDED: story.journals()[Arm.DEFENDED]})


def reason(trial: TrialResult, about: str) -> Reason:
    return next(one for one in trial.reasons if one.about == about)


def unsteady_from(day: float, story: Story) -> Story:
    def change(event: Event) -> Event:
        late = isinstance(event, Reading) and event.day > day
        return Reading(event.day, event.probe, 0.5, False) if late else event

    return story.change(Arm.DEFENDED, change)


def test_what_was_seen_before_the_injection_is_no_effect() -> None:
    assert standing(Story(Told(expect=DETECTED))).verdict is Verdict.PASSED
    assert standing(Story(Told(expect=DETECTED)), looked_before=True).verdict is Verdict.VOID


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((3.0, 3.0), Verdict.PASSED),  # a count that stood still, and counts on
        ((1.0, 1.0), Verdict.VOID),
        ((3.0, 2.0), Verdict.VOID),  # what moves by itself tells nothing when it moves on
        ((3.0,), Verdict.VOID),
    ],
)
def test_what_a_count_has_counted_before_the_injection_is_not_held_against_the_next(
    values: tuple[float, ...], expected: Verdict
) -> None:
    trial = standing(Story(Told(expect=DETECTED)), looked_before=True, values=values)
    assert reason(trial, "effect").verdict is expected
    assert (trial.faults[0].effective_day is not None) is (expected is Verdict.PASSED)


def test_a_fault_without_an_effect_is_not_said_to_be_prevented() -> None:
    trial = standing(Story(Told(expect=DETECTED, bites=False)))
    assert reason(trial, "effect").verdict is Verdict.VOID
    assert not trial.faults[0].prevented


def test_nothing_is_compared_with_a_probe_that_gave_no_data_before() -> None:
    trial = standing(Story(Told(expect=DETECTED)), looked_before=None)
    assert trial.verdict is Verdict.VOID
    assert reason(trial, "effect").says.endswith("gave no data before the injection")


@pytest.mark.parametrize("recovered", [True, False])
def test_a_demonstration_is_to_end_steady_only_where_it_says_so(recovered: bool) -> None:
    expect = {**DETECTED, **({"recovered": {"within": "1d"}} if recovered else {})}
    trial = standing(unsteady_from(8.0, Story(Told(kind=Kind.DEMONSTRATION, expect=expect))))
    assert trial.verdict is (Verdict.FAILED if recovered else Verdict.PASSED)
    assert any(one.about == "steady state after" for one in trial.reasons) is recovered


def test_a_demonstration_of_what_cannot_be_measured_here_is_void() -> None:
    trial = standing(Story(Told(kind=Kind.DEMONSTRATION, expect=MISSED)))
    assert trial.verdict is Verdict.VOID
    assert reason(trial, "expected").says.startswith("nothing that the scenario expects can be measured")


def test_a_defended_scenario_of_which_nothing_can_be_measured_here_is_void() -> None:
    contained = {"contained": {"of": "defective_views", "at_least": 0.9}}
    trial = standing(Story(Told(expect=contained)))
    assert trial.verdict is Verdict.VOID
    assert reason(trial, "expected").says.startswith("nothing that the scenario expects can be measured")
    assert standing(Story(Told(expect={**contained, **DETECTED}))).verdict is Verdict.PASSED


def test_a_recovery_for_which_there_was_no_time_is_void() -> None:
    told = Told(expect={**DETECTED, "recovered": {"within": "7d"}})
    trial = standing(unsteady_from(8.0, Story(told)))
    assert reason(trial, "recovered").verdict is Verdict.VOID
    assert "within the 5.50 d that were left" in reason(trial, "recovered").says


def test_a_failure_on_a_late_machine_is_held_back() -> None:
    late = Lag(5.0, "harness", 0.5, 0.5)
    failing = without(Told(expect=DETECTED), "freshness", "volume")
    assert standing(Story(failing).add(Arm.DEFENDED, late)).held_back
    assert not standing(Story(Told(expect=DETECTED)).add(Arm.DEFENDED, late)).held_back


# --- the ground that a verdict stands on -----------------------------------------------------------------

LOST = Exit(5.0, "trainer", 137, expected=False)


def since(day: float, story: Story) -> Story:
    """The run began on a day of the stack's."""
    story.plan.arms[0] = story.plan.arms[0].model_copy(update={"start_day": day})
    return story


def test_a_probe_that_was_silent_before_the_fault_is_void() -> None:
    story = Story(Told(expect=DETECTED))
    story.drop(Arm.DEFENDED, lambda one: isinstance(one, Reading) and one.probe == "model_age")
    assert "no data from model_age" in reason(standing(story), "steady state before").says


def test_an_undo_that_failed_is_void() -> None:
    failed = Undone(8.0, "hole_freshness_mode_3-2", "failed", "features is not running")
    trial = standing(Story(Told(expect=DETECTED)).add(Arm.DEFENDED, failed))
    assert trial.verdict is Verdict.VOID
    assert reason(trial, "undo").says == "the undo of hole_freshness_mode_3 failed: features is not running"


def test_a_hole_that_something_else_has_closed_is_void() -> None:
    story = Story(Told(expect=DETECTED)).add(Arm.DEFENDED, Undone(7.0, "hole_burn_mode_3-1", "left"))
    hole = PlannedHole(layer="burn", key="mode", value="off", from_day=3.0, until_day=7.0)
    story.plan.arms[0] = story.plan.arms[0].model_copy(update={"holes": [hole]})
    assert "the hole in burn was closed" in reason(standing(story), "undo").says


def test_an_effect_that_was_there_at_one_of_the_looks_before_is_none() -> None:
    story = Story(Told(expect=DETECTED)).add(Arm.DEFENDED, Effect(3.2, "late_partition", True, 1.0))
    trial = standing(story)
    assert reason(trial, "effect").says.endswith("saw the same before the injection")
    assert trial.verdict is Verdict.VOID


@pytest.mark.parametrize(("bites", "expected"), [(True, Verdict.PASSED), (False, Verdict.VOID)])
def test_a_benign_change_that_brings_a_proof_is_to_be_seen(bites: bool, expected: Verdict) -> None:
    story = Story(replace(quiet(), faults=True, bites=bites))
    assert reason(standing(story), "effect").verdict is expected
    unproved = Story(replace(quiet(), faults=True))
    unproved.drop(Arm.DEFENDED, lambda one: isinstance(one, Effect))
    plan = unproved.plan.model_copy(update={"into": "game", "arms": [unproved.plan.arms[0]]})
    trial = score_trial(plan, {Arm.DEFENDED: unproved.journals()[Arm.DEFENDED]})
    assert not any(one.about == "effect" for one in trial.reasons)


@pytest.mark.parametrize("about", ["detected", "alerted", "recovered", "steady state after"])
def test_a_run_that_was_cut_short_is_not_judged(about: str) -> None:
    expect = {**DETECTED, "alerted": {"severity": "page", "within": "1d"}, "recovered": {"within": "2d"}}
    assert standing(Story(Told(expect=expect))).verdict is Verdict.PASSED
    trial = standing(Story(Told(expect=expect)).cut(Arm.DEFENDED, 6.0))
    assert reason(trial, about).verdict is Verdict.VOID
    assert "not judged" not in reason(trial, about).says
    assert trial.interrupted


def test_who_saw_it_is_not_measured_of_a_run_that_lost_a_component() -> None:
    expect = {**DETECTED, "alerted": {"severity": "page", "within": "1d"}}
    trial = standing(Story(Told(expect=expect)).add(Arm.DEFENDED, LOST))
    assert "lost trainer" in reason(trial, "detected").says
    assert "not measured" in reason(trial, "alerted").says
    assert trial.faults[0].detection is None


# --- who saw it ------------------------------------------------------------------------------------------


def moved(day: float) -> Callable[[Event], Event]:
    def change(event: Event) -> Event:
        mine = getattr(event, "layer", "") == "volume" and event.day in (4.17, 4.2)
        return structs.replace(event, day=day) if mine else event

    return change


@pytest.mark.parametrize(("day", "expected"), [(5.2, Verdict.PASSED), (5.3, Verdict.FAILED)])
def test_a_detection_is_in_time_or_not(day: float, expected: Verdict) -> None:
    story = Story(Told(expect=DETECTED)).change(Arm.DEFENDED, moved(day))
    assert reason(standing(story), "detected").verdict is expected


def test_only_those_who_were_expected_detect() -> None:
    trial = standing(Story(Told(expect={"detected": {"by": ["burn"], "within": "1d"}})))
    assert reason(trial, "detected").verdict is Verdict.FAILED
    assert "instead volume saw it on day 4.17" in reason(trial, "detected").says


def test_a_detection_that_is_expected_of_one_fault_is_asked_of_no_other() -> None:
    story = Story(Told(expect={"detected": {**DETECTED["detected"], "of": ["late_partition"]}}))
    other = PlannedFault(key="noop", fault="noop", parameters={}, inject_day=10.0, undo_day=11.0)
    story.plan.arms[0] = story.plan.arms[0].model_copy(update={"faults": [*story.plan.arms[0].faults, other]})
    abouts = [one.about for one in standing(story).reasons if one.about.startswith("detected")]
    assert abouts == ["detected late_partition"]


@pytest.mark.parametrize(
    ("day", "run_day", "seen"),
    [(2.0, 0.0, False), (2.0, 2.5, True), (3.5, 0.0, True), (9.5, 0.0, True), (9.6, 0.0, False)],
)
def test_a_layer_that_fired_in_the_run_before_the_fault_has_not_seen_it(
    day: float, run_day: float, seen: bool
) -> None:
    """Nor has one that fires long after it; what fired before the run began says nothing."""
    story = Story(
        without(Told(expect={"detected": {"by": ["schema"], "within": "9d"}}), "volume", "freshness")
    )
    days = [day] if day > 3 else [day, 5.0]
    story.add(
        Arm.DEFENDED,
        *(
            signal("schema", kind, at + later)
            for at in days
            for kind, later in (("fired", 0.0), ("cleared", 0.01))
        ),
    )
    trial = standing(since(run_day, story))
    assert reason(trial, "detected").verdict is (Verdict.PASSED if seen else Verdict.FAILED)
    assert (trial.faults[0].detection is not None) is seen


def test_a_refusal_counts_from_the_injection() -> None:
    story = Story(
        Told(expect={"detected": {"by": ["evaluation"], "within": "1d"}}, not_armed=("volume", "freshness"))
    )
    of_it = (Prepared, Applied, Undone)
    planned = next(event for event in story.events[Arm.DEFENDED] if isinstance(event, Planned))
    story.drop(Arm.DEFENDED, lambda event: isinstance(event, of_it))
    story.add(Arm.DEFENDED, Refused(3.6, planned.id, "evaluation", "not on a Friday"))
    trial = standing(story)
    assert reason(trial, "effect").says == "evaluation refused late_partition: not on a Friday"
    assert reason(trial, "detected").verdict is Verdict.PASSED
    (fault,) = trial.faults
    assert fault.prevented
    assert fault.detection is not None
    assert fault.detection.delay_days == pytest.approx(0.1)


# --- alerts ----------------------------------------------------------------------------------------------


def told(sent: float, id: str = "1") -> Alert:
    return Alert(sent, "oncall", id, "odd", "model", "page", "ml", "firing", sent, None, "", "shop")


@pytest.mark.parametrize(
    ("sent", "run_day", "expected"),
    [
        ((5.0,), 0.0, Verdict.PASSED),
        ((2.0, 5.0), 0.0, Verdict.FAILED),
        ((2.0, 5.0), 2.5, Verdict.PASSED),
        ((9.5,), 0.0, Verdict.PASSED),
        ((9.6,), 0.0, Verdict.FAILED),
        ((3.4,), 2.5, Verdict.FAILED),
    ],
)
def test_an_alert_that_was_sent_in_the_run_before_the_fault_is_not_about_it(
    sent: tuple[float, ...], run_day: float, expected: Verdict
) -> None:
    story = Story(Told(expect={"alerted": {"name": "odd", "within": "9d"}}))
    story.add(Arm.DEFENDED, *(told(day, str(day)) for day in sent))
    trial = standing(since(run_day, story))
    assert reason(trial, "alerted").verdict is expected
    assert [alert.sent_day for alert in trial.alerts if alert.name == "odd"] == [
        day for day in sent if day >= run_day
    ]


# --- recovery --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("within", "expected"), [("1d", Verdict.PASSED), ("0.9d", Verdict.FAILED)])
def test_a_recovery_is_in_time_or_not(within: str, expected: Verdict) -> None:
    trial = standing(Story(Told(expect={**DETECTED, "recovered": {"within": within}})))
    assert reason(trial, "recovered").verdict is expected


def test_a_run_that_ends_unsteady_fails() -> None:
    trial = standing(unsteady_from(8.0, Story(Told(expect=DETECTED))))
    assert reason(trial, "steady state after").verdict is Verdict.FAILED


# --- false alarms and blocks -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "run_day", "count"), [(2.0, 0.0, 1), (2.0, 2.5, 0), (3.5, 0.0, 0), (6.0, 0.0, 0)]
)
def test_false_alarms_are_those_of_the_run_before_the_fault(day: float, run_day: float, count: int) -> None:
    story = Story(Told(expect={**DETECTED, "false_alarms": 0}))
    story.add(Arm.DEFENDED, signal("schema", "fired", day), signal("schema", "cleared", day + 0.1))
    trial = standing(since(run_day, story))
    assert reason(trial, "false alarms").verdict is (Verdict.FAILED if count else Verdict.PASSED)
    rows = {row.layer: row for row in trial.layers}
    assert rows["schema"].false_alarms == count
    assert rows["schema"].first_fired_day == (day if day >= 3.5 else None)


def test_in_a_quiet_run_whoever_fires_or_refuses_or_tells_is_wrong_at_any_time() -> None:
    change = AddDataToxic("events", "mlchaos_added_column", "added_column", {})
    asked = replace(quiet(false_alarms=2), faults=True)
    story = Story(without(asked, "volume", "freshness")).add(
        Arm.DEFENDED,
        Planned(4.0, "late_partition-9", "late_partition", change),
        Refused(4.0, "late_partition-9", "evaluation", "a column that nobody knows"),
        signal("schema", "fired", 9.0),
        told(11.0),
    )
    says = reason(standing(story), "false alarms")
    assert says.verdict is Verdict.FAILED
    assert says.says.startswith("3 false alarms in the run, at most 2 allowed:")


@pytest.mark.parametrize(
    ("allowed", "expected"), [(None, Verdict.FAILED), (1.5, Verdict.PASSED), (1.4, Verdict.FAILED)]
)
def test_in_a_quiet_run_nothing_may_block(allowed: float | None, expected: Verdict) -> None:
    budgets = {} if allowed is None else {"budgets": {"false_block_days": allowed}}
    story = Story(quiet(false_alarms=0, **budgets))
    trial = standing(story.add(Arm.DEFENDED, signal("hold", "acted", 5.0), signal("hold", "cleared", 6.5)))
    assert reason(trial, "budget false_block_days").verdict is expected
    assert trial.not_measured == []


def test_what_cannot_be_measured_here_is_named() -> None:
    budgets = {"false_block_days": 0, "error_views": 9}
    assert standing(Story(Told(expect={**DETECTED, "budgets": budgets}))).not_measured == [
        "budgets (false_block_days, error_views): not measured on a stack that stands: there is no arm without the "
        "layers, or the fault, to compare"
    ]


def test_a_quiet_run_of_which_no_layer_was_armed_is_void() -> None:
    trial = standing(Story(without(quiet(false_alarms=0), *LAYERS)))
    assert trial.verdict is Verdict.VOID
    for about in ("false alarms", "budget false_block_days"):
        assert "no layer was armed" in reason(trial, about).says


def test_an_alert_fails_a_quiet_run_of_which_no_layer_was_armed() -> None:
    trial = standing(Story(without(quiet(false_alarms=0), *LAYERS)).add(Arm.DEFENDED, told(5.0)))
    assert trial.verdict is Verdict.FAILED
    assert (
        "1 false alarm in the run, at most 0 allowed: odd on day 5.00" in reason(trial, "false alarms").says
    )


# --- what users got --------------------------------------------------------------------------------------


def test_what_users_got_is_told_before_during_and_after_the_fault() -> None:
    def worse(row: ViewRow) -> ViewRow:
        return structs.replace(row, errors=1, slow=2, fallback=3, defaulted=1)

    story = Story(Told(expect=DETECTED)).change(Arm.DEFENDED, rows(worse, 3.5, 8.5))
    # It is injected within the tick that begins at 3.5, in its first half.
    story.change(
        Arm.DEFENDED, lambda one: structs.replace(one, day=3.51) if isinstance(one, Planned) else one
    )
    before, during, after = standing(since(1.0, story)).service_levels
    assert [one.when for one in (before, during, after)] == ["before", "during", "after"]
    assert [one.views for one in (before, during, after)] == [1500, 3000, 3300]
    assert (before.from_day, before.to_day, during.to_day, after.to_day) == (1.0, 3.51, 8.5, 14.0)
    assert [one.good_share for one in (before, during, after)] == [1.0, pytest.approx(0.4), 1.0]
    assert (during.error_share, during.slow_share, during.fallback_share) == (0.2, 0.4, 0.6)


def test_of_days_that_a_run_did_not_reach_nothing_is_said() -> None:
    (before,) = standing(since(1.0, Story(Told(expect=DETECTED)).cut(Arm.DEFENDED, 2.0))).service_levels
    assert (before.when, before.from_day, before.views > 0) == ("before", 1.0, True)
    assert before.to_day <= 2.1


def test_before_a_fault_that_never_was_injected_is_all_of_the_run() -> None:
    story = since(1.0, Story(Told(expect=DETECTED)).cut(Arm.DEFENDED, 5.0))
    story.drop(Arm.DEFENDED, lambda event: isinstance(event, Planned | Phase))
    (before,) = standing(story).service_levels
    assert (before.when, before.to_day > 4.0) == ("before", True)


def test_a_fault_that_never_was_injected_is_not_said_to_be_left() -> None:
    story = Story(Told(expect={**DETECTED, "recovered": {"within": "1d"}})).cut(Arm.DEFENDED, 2.0)
    assert reason(standing(since(1.0, story)), "recovered").says == "late_partition was not injected"
