"""The whole trial: verdict and reasons of stories that differ in one thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.domain.change import Change, Push, Starve
from chaos.domain.event import (
    Alert,
    Alias,
    Applied,
    Contention,
    Effect,
    Event,
    Exit,
    Lag,
    Partition,
    Phase,
    Planned,
    Reading,
    Saturation,
    Signal,
    Stall,
    Undone,
    Version,
    ViewRow,
    Views,
    Waiting,
)
from chaos.domain.layer import Mode, Outcome, Stage
from chaos.domain.plan import PlannedFault, PlannedHole, PlannedLayer
from chaos.domain.scenario import Arm, Detected, Harm, Kind, Scenario
from chaos.domain.verdict import Reason, TrialResult, Verdict, scenario_verdict, share_verdict
from chaos.scoring.picture import picture_of
from chaos.scoring.trial import score_trial
from tests.journals import EXPECT, FAULT, LAYERS, Story, Told, late, quiet, readings, rows, signal, without


def reason(trial: TrialResult, about: str) -> Reason:
    return next(reason for reason in trial.reasons if reason.about == about)


def verdict(trial: TrialResult, about: str) -> Verdict:
    return reason(trial, about).verdict


def told(**expect: Any) -> Told:
    return Told(expect=expect)


def test_detection_may_be_expected_of_one_fault_of_several() -> None:
    of_one = Detected.model_validate({"by": ["volume"], "within": "1d", "of": ["first"]})
    assert of_one.means("first")
    assert not of_one.means("second")
    assert Detected.model_validate({"by": ["volume"], "within": "1d"}).means("second")
    detected = {"by": ["volume"], "within": "1d", "of": ["late_partition"]}
    assert verdict(Story(told(detected=detected)).score(), "detected") is Verdict.PASSED


# --- the story as it should be ---------------------------------------------------------------------------


def test_the_late_partition_is_detected_contained_and_recovered_from() -> None:
    trial = Story().score()
    assert trial.verdict is Verdict.PASSED
    assert {reason.verdict for reason in trial.reasons} == {Verdict.PASSED}
    (fault,) = trial.faults
    assert (fault.injected_day, fault.effective_day, fault.undone_day) == (3.5, 4.2, 8.5)
    assert fault.detection is not None
    assert (fault.detection.layer, fault.detection.day, fault.detection.delay_days) == ("volume", 4.17, 0.0)
    assert fault.containment is not None
    assert (fault.containment.of, fault.containment.ratio, fault.containment.by) == (
        Harm.DEFECTIVE_VIEWS,
        1.0,
        ["hold"],
    )
    assert fault.recovery is not None
    assert fault.recovery.delay_days == 1.0
    assert not fault.prevented
    assert [alert.acknowledged_day for alert in trial.alerts] == [4.45]
    assert [arm.journal for arm in trial.arms] == [
        f"late-partition-7/journal-{arm.value}.jsonl" for arm in Arm
    ]
    assert all(arm.steady_before for arm in trial.arms)


def test_without_the_expected_layers_it_fails_and_names_them() -> None:
    trial = Story(without(Told(), "freshness", "volume")).score()
    assert trial.verdict is Verdict.FAILED
    assert trial.not_armed == ["freshness", "volume"]
    says = reason(trial, "detected").says
    assert (
        says == "neither volume nor freshness saw it; not armed: volume, freshness; nobody else saw it either"
    )
    assert verdict(trial, "contained") is Verdict.FAILED


def test_a_catch_by_a_layer_nobody_expected_is_shown_and_does_not_satisfy() -> None:
    story = Story(without(Told(), "freshness", "volume"))
    trial = story.add(Arm.DEFENDED, signal("evaluation", "fired", 5.3)).score()
    assert verdict(trial, "detected") is Verdict.FAILED
    assert "instead evaluation, which nobody expected, saw it on day 5.30" in reason(trial, "detected").says
    (fault,) = trial.faults
    assert fault.detection is not None
    assert (fault.detection.layer, fault.detection.expected) == ("evaluation", False)


def test_an_unexpected_layer_that_is_first_does_not_hide_an_expected_one() -> None:
    trial = Story().add(Arm.DEFENDED, signal("schema", "fired", 4.1)).score()
    assert verdict(trial, "detected") is Verdict.PASSED
    assert "schema, which nobody expected, was first on day 4.10" in reason(trial, "detected").says


def test_without_hold_it_is_detected_but_not_contained() -> None:
    trial = Story(without(Told(), "hold")).score()
    assert verdict(trial, "detected") is Verdict.PASSED
    assert verdict(trial, "contained") is Verdict.FAILED
    assert "not armed: hold" in reason(trial, "contained").says
    assert trial.verdict is Verdict.FAILED


def test_with_every_layer_observing_it_says_who_would_have_acted_and_when() -> None:
    trial = Story(Told(modes=dict.fromkeys(LAYERS, Mode.OBSERVE))).score()
    assert trial.verdict is Verdict.FAILED
    assert (
        "would have acted: volume on day 4.17, hold on day 4.20, freshness on day 4.68"
        in reason(trial, "contained").says
    )
    assert "it only observes" in reason(trial, "detected").says
    hold = next(row for row in trial.layers if row.layer == "hold")
    assert (hold.would_have_acted_day, hold.first_acted_day) == (4.2, None)


def test_a_detection_too_late_fails() -> None:
    def later(event: Event) -> Event:
        return (
            event
            if getattr(event, "layer", "") != "volume"
            else msgspec.structs.replace(event, day=event.day + 2)
        )

    expect = {"detected": {"by": ["volume"], "within": "1d"}}
    trial = Story(told(**expect)).change(Arm.DEFENDED, later).score()
    assert verdict(trial, "detected") is Verdict.FAILED
    assert "1.97 d after the verified effect (allowed 1 d)" in reason(trial, "detected").says
    ok = {"detected": {"by": ["volume"], "within": "2d"}}
    assert Story(told(**ok)).change(Arm.DEFENDED, later).score().verdict is Verdict.PASSED


# --- void ------------------------------------------------------------------------------------------------


def test_a_fault_without_effect_makes_everything_void() -> None:
    trial = Story(Told(bites=False)).score()
    assert trial.verdict is Verdict.VOID
    assert verdict(trial, "effect") is Verdict.VOID
    assert "had no effect in the undefended arm" in reason(trial, "effect").says
    judged = {one.about for one in trial.reasons if one.verdict is not Verdict.VOID}
    assert judged == {"steady state before"}


def test_an_effect_probe_without_data_is_void_and_says_so() -> None:
    trial = Story(Told(bites=None)).score()
    assert trial.verdict is Verdict.VOID
    assert "gave no data" in reason(trial, "effect").says


def test_an_effect_seen_without_the_fault_too_proves_nothing() -> None:
    def always(event: Event) -> Event:
        return msgspec.structs.replace(event, seen=True) if isinstance(event, Effect) else event

    trial = Story().change(Arm.BARE, always).score()
    assert verdict(trial, "effect") is Verdict.VOID
    assert "only what it sees without the fault" in reason(trial, "effect").says


@pytest.mark.parametrize(
    ("value", "seen"), [(3.0, Verdict.VOID), (2.0, Verdict.PASSED), (None, Verdict.PASSED)]
)
def test_a_count_that_has_not_changed_since_before_the_injection_is_no_effect(
    value: float | None, seen: Verdict
) -> None:
    """Another fault made it: what its own probe saw just before, where it looked."""

    def counted(event: Event) -> Event:
        bitten = isinstance(event, Effect) and event.seen
        return msgspec.structs.replace(event, value=3.0) if bitten else event

    story = Story().change(Arm.UNDEFENDED, counted)
    if value is not None:
        story.add(Arm.UNDEFENDED, Effect(3.4, FAULT, True, value))
    assert verdict(story.score(), "effect") is seen


def clean(event: Event) -> Event:
    """A version as if nothing had been missing."""
    return msgspec.structs.replace(event, due=[]) if isinstance(event, Version) else event


def test_no_harm_of_the_named_kind_is_void() -> None:
    trial = Story().change(Arm.UNDEFENDED, clean).score()
    assert trial.verdict is Verdict.VOID
    assert verdict(trial, "harm") is Verdict.VOID
    assert verdict(trial, "detected") is Verdict.VOID


def test_harm_of_a_kind_that_nobody_is_asked_to_contain_must_be_there_too() -> None:
    detected = {"by": ["volume"], "within": "1d"}
    asked = told(detected=detected, harmful="defective_views")
    assert Story(asked).score().verdict is Verdict.PASSED
    trial = Story(asked).change(Arm.UNDEFENDED, clean).score()
    assert trial.verdict is Verdict.VOID
    assert verdict(trial, "harm") is Verdict.VOID
    assert verdict(Story(told(detected=detected, harmful="error_views")).score(), "harm") is Verdict.VOID


def test_a_demonstration_needs_no_harm() -> None:
    expect = {"missed_by": ["schema"]}
    story = Story(Told(kind=Kind.DEMONSTRATION, expect=expect)).change(Arm.UNDEFENDED, clean)
    assert story.score().verdict is Verdict.PASSED


@pytest.mark.parametrize("arm", list(Arm))
@pytest.mark.parametrize(
    ("late", "over", "void"), [(0.11, 0.26, True), (0.09, 5.0, False), (5.0, 0.24, False)]
)
def test_a_busy_machine_is_void_with_the_lag(arm: Arm, late: float, over: float, void: bool) -> None:
    trial = Story().add(arm, Lag(5.0, "serving-a", late, over)).score()
    assert trial.verdict is (Verdict.VOID if void else Verdict.PASSED)
    assert next(one.lag_days for one in trial.arms if one.arm is arm) == late
    if void:
        assert f"serving-a ran up to {late:.2f} d late" in reason(trial, "lag").says
        assert verdict(trial, "detected") is Verdict.VOID


@pytest.mark.parametrize(("wait_ms", "void"), [(5.1, True), (4.9, False)])
def test_a_machine_without_a_processor_to_spare_is_void_though_no_timer_is_late(
    wait_ms: float, void: bool
) -> None:
    trial = Story().add(Arm.CONTROL, Waiting(5.0, "serving-a", wait_ms, 0.25)).score()
    assert trial.verdict is (Verdict.VOID if void else Verdict.PASSED)
    assert next(one.wait_ms for one in trial.arms if one.arm is Arm.CONTROL) == wait_ms
    assert next(one.wait_ms for one in trial.arms if one.arm is Arm.BARE) is None
    if void:
        says = "in the control arm serving-a waited 5.1 ms for a processor each time, on average over 0.25 d"
        assert says in reason(trial, "lag").says


def test_a_machine_that_stands_still_takes_the_word_of_a_failure_and_not_of_a_pass() -> None:
    stall = Stall(5.0, "network proxy", 55.0)
    assert Story().add(Arm.CONTROL, stall).score().verdict is Verdict.PASSED
    failing = Story(without(Told(), "freshness", "volume"))
    assert failing.score().verdict is Verdict.FAILED
    trial = failing.add(Arm.CONTROL, stall).add(Arm.BARE, Stall(3.0, "shop", 21.0)).score()
    assert trial.verdict is Verdict.VOID
    says = (
        "the machine let network proxy stand still for 55 ms on day 5.00 of the control arm (and once more)"
    )
    assert says in reason(trial, "detected").says


def test_others_that_take_the_machine_take_the_word_of_a_failure_and_not_of_a_pass() -> None:
    taken = Contention(5.1, 0.82, 0.12)
    assert Story().add(Arm.CONTROL, taken).score().verdict is Verdict.PASSED
    failing = Story(without(Told(), "freshness", "volume"))
    trial = failing.add(Arm.DEFENDED, taken).add(Arm.DEFENDED, Contention(6.0, 0.3, 0.1)).score()
    assert trial.verdict is Verdict.VOID
    says = (
        "others took 82% of the machine's processors, and none was idle, for 0.12 d around day 5.10 of the "
        "defended arm (and once more)"
    )
    assert says in reason(trial, "detected").says


def test_traffic_that_could_not_be_sent_in_time_takes_the_word_of_a_failure_and_not_of_a_pass() -> None:
    late = Saturation(5.1, "shop", 1.02, 0.11)
    assert Story().add(Arm.UNDEFENDED, late).score().verdict is Verdict.PASSED
    failing = Story(without(Told(), "freshness", "volume"))
    trial = failing.add(Arm.UNDEFENDED, late).add(Arm.CONTROL, Saturation(2.0, "shop", 0.93, 0.1)).score()
    assert trial.verdict is Verdict.VOID
    says = (
        "the machine was too slow for the load: shop ran, or waited to, for 100% of 0.11 d around day 5.10 of "
        "the undefended arm (and once more)"
    )
    assert says in reason(trial, "detected").says


@pytest.mark.parametrize(
    "late",
    [Lag(5.0, "harness", 0.5, 0.5), Waiting(5.0, "serving-a", 9.0, 0.25), Stall(5.0, "serving-a", 21.0)],
)
def test_a_machine_that_is_in_the_way_never_makes_a_scenario_greener(late: Event) -> None:
    failing = Story(without(Told(seed=8), "freshness", "volume")).add(Arm.DEFENDED, late).score()
    assert failing.verdict is Verdict.VOID
    assert failing.held_back
    assert scenario_verdict([Story().score(), failing]) is Verdict.VOID
    calm = Story(Told(seed=8)).add(Arm.DEFENDED, late).score()
    assert not calm.held_back


@pytest.mark.parametrize(
    ("day", "stalled_ms", "expected"),
    [
        (4.5, 0.0, Verdict.PASSED),
        (2.0, 900.0, Verdict.PASSED),
        (4.5, 900.0, Verdict.VOID),
        (4.5, 20.0, Verdict.PASSED),
        (9.0, 900.0, Verdict.PASSED),
    ],
)
def test_harm_that_may_be_the_machine_s_is_none_to_be_contained(
    day: float, stalled_ms: float, expected: Verdict
) -> None:
    """Slow views of one day: a stall that takes as long explains them, a short or a later one does not."""

    def late(row: ViewRow) -> ViewRow:
        return msgspec.structs.replace(row, slow=8)

    asked = told(detected={"by": ["volume"], "within": "1d"}, contained={"of": "slow_views", "at_least": 0.9})
    story = Story(asked).change(Arm.UNDEFENDED, rows(late, 4.0, 5.0))
    if stalled_ms:
        story.add(Arm.UNDEFENDED, Stall(day, "serving-a", stalled_ms))
    trial = story.score()
    assert trial.verdict is expected
    if expected is Verdict.VOID:
        assert "only 0 of them while the machine did not disturb" in reason(trial, "harm").says


def slow_by(n: int) -> Callable[[ViewRow], ViewRow]:
    return lambda row: msgspec.structs.replace(row, slow=n)


@pytest.mark.parametrize(
    ("disturbed", "expected"),
    [
        (None, Verdict.PASSED),
        ((2.5, 0.6), Verdict.PASSED),
        ((4.5, 0.6), Verdict.VOID),
        ((7.0, 7.1), Verdict.VOID),
    ],
)
@pytest.mark.parametrize("asked", ["budget", "contained"])
def test_what_the_machine_did_to_the_control_arm_excuses_no_harm_of_the_fault(
    asked: str, disturbed: tuple[float, float] | None, expected: Verdict
) -> None:
    """On one day as many views are slow in all arms that have layers, or a fault; a budget allows a few."""
    expect: dict[str, Any] = {"detected": EXPECT["detected"], "budgets": {"slow_views": 120}}
    if asked == "contained":
        expect = {"detected": EXPECT["detected"], "contained": {"of": "slow_views", "at_least": 0.5}}
    story = Story(told(**expect))
    for arm in (Arm.DEFENDED, Arm.CONTROL, Arm.UNDEFENDED):
        story.change(arm, rows(slow_by(2), 4.0, 5.0))
    if disturbed is not None:
        day, over_days = disturbed
        story.add(Arm.CONTROL, Contention(day, 0.8, over_days))
    trial = story.score()
    about = "contained" if asked == "contained" else "budget slow_views"
    assert verdict(trial, about) is expected
    if expected is Verdict.VOID:
        assert "without what the machine did to" in reason(trial, about).says


@pytest.mark.parametrize(("disturbed", "expected"), [(2.5, Verdict.PASSED), (4.5, Verdict.VOID)])
def test_a_demonstration_of_harm_is_not_made_by_the_machine(disturbed: float, expected: Verdict) -> None:
    asked = Told(kind=Kind.DEMONSTRATION, expect={"contained": {"of": "slow_views", "at_most": 0.5}})
    story = Story(asked)
    for arm in (Arm.DEFENDED, Arm.UNDEFENDED):
        story.change(arm, rows(slow_by(2), 4.0, 5.0))
    trial = story.add(Arm.DEFENDED, Contention(disturbed, 0.8, 0.6)).score()
    assert verdict(trial, "contained") is expected


def test_an_undo_that_comes_a_moment_late_leaves_the_time_that_a_recovery_has() -> None:
    expect = {**EXPECT, "recovered": {"within": "5.5d"}}
    never = [8.75 + quarter / 4 for quarter in range(22)]
    for story in (Story(told(**expect)), Story(told(**expect)).change(Arm.DEFENDED, late)):
        story.change(Arm.DEFENDED, readings(False, *never))
        assert verdict(story.score(), "recovered") is Verdict.FAILED
    more = Story(told(**{**EXPECT, "recovered": {"within": "5.6d"}}))
    assert verdict(more.change(Arm.DEFENDED, readings(False, *never)).score(), "recovered") is Verdict.VOID


@pytest.mark.parametrize(("closes", "outcome"), [(8.5, Outcome.NOT_ARMED), (8.3, Outcome.NOT_REACHED)])
def test_a_hole_as_long_as_its_fault_is_so_though_the_undo_comes_a_moment_late(
    closes: float, outcome: Outcome
) -> None:
    story = Story(without(Told(), "volume")).change(Arm.DEFENDED, late)
    hole = PlannedHole(layer="volume", key="mode", value="off", from_day=3.5, until_day=closes)
    modes = {"volume": PlannedLayer(mode=Mode.ENFORCE, stages=LAYERS["volume"])}
    for index, arm in enumerate(story.plan.arms):
        changes = {"holes": [hole], "layers": {**arm.layers, **modes}} if arm.arm.has_layers else {}
        story.plan.arms[index] = arm.model_copy(update=changes)
    assert {row.layer: row.outcome for row in story.score().layers}["volume"] is outcome


def test_lag_makes_a_failure_void_too() -> None:
    story = Story(without(Told(), "freshness", "volume"))
    assert story.add(Arm.DEFENDED, Lag(5.0, "harness", 0.5, 0.5)).score().verdict is Verdict.VOID


def test_a_steady_state_not_met_before_is_void_in_any_arm() -> None:
    def bad(event: Event) -> Event:
        before = isinstance(event, Reading) and event.probe == "good_views" and event.day <= 3.5
        return msgspec.structs.replace(event, ok=False) if before else event

    for arm in Arm:
        trial = Story().change(arm, bad).score()
        assert trial.verdict is Verdict.VOID
        says = reason(trial, "steady state before").says
        assert says == f"was not met in the {arm.value} arm: good_views out of band on day 3.50"


def test_a_silent_probe_before_the_fault_is_void() -> None:
    story = Story().drop(Arm.CONTROL, lambda event: isinstance(event, Reading) and event.probe == "model_age")
    trial = story.score()
    assert trial.verdict is Verdict.VOID
    assert "no data from model_age" in reason(trial, "steady state before").says


def test_one_bad_reading_long_before_the_fault_decides_nothing() -> None:
    def bad(event: Event) -> Event:
        early = isinstance(event, Reading) and event.day == 1.0
        return msgspec.structs.replace(event, ok=False) if early else event

    assert Story().change(Arm.DEFENDED, bad).score().verdict is Verdict.PASSED


@pytest.mark.parametrize("arm", list(Arm))
@pytest.mark.parametrize("phase", ["void", "aborted", "interrupted"])
def test_an_arm_that_ended_early_is_void_with_its_reason(arm: Arm, phase: str) -> None:
    trial = Story().add(arm, Phase(5.0, phase, "because")).score()
    assert trial.verdict is Verdict.VOID
    assert "on day 5.00: because" in reason(trial, f"arm {arm.value}").says
    assert all(value is None for value in trial.harm[arm].values())


@pytest.mark.parametrize("arm", list(Arm))
def test_an_unexpected_exit_in_any_arm_never_passes(arm: Arm) -> None:
    trial = Story().add(arm, Exit(5.0, "trainer", 137, expected=False)).score()
    assert trial.verdict is Verdict.VOID
    assert (
        "lost trainer on day 5.00 (it ended by itself with code 137)"
        in reason(trial, f"arm {arm.value}").says
    )
    assert Story().add(arm, Exit(5.0, "trainer", -9, expected=True)).score().verdict is Verdict.PASSED


@pytest.mark.parametrize("arm", list(Arm))
def test_a_killed_arm_is_marked_and_void(arm: Arm) -> None:
    trial = Story().cut(arm, 6.3).score()
    assert trial.verdict is Verdict.VOID
    assert [one.arm for one in trial.arms if one.interrupted] == [arm]


def test_a_failed_undo_is_void() -> None:
    story = Story().drop(Arm.DEFENDED, lambda event: isinstance(event, Undone))
    trial = story.add(Arm.DEFENDED, Undone(8.5, "late_partition-1", "failed", "link gone")).score()
    assert trial.verdict is Verdict.VOID
    assert verdict(trial, "recovered") is Verdict.VOID
    assert "link gone" in reason(trial, "undo").says


# --- missing arms ----------------------------------------------------------------------------------------


NEEDS = {
    "detected": {Arm.DEFENDED, Arm.CONTROL},
    "contained": set(Arm),
    "budget stale_days": {Arm.DEFENDED, Arm.CONTROL},
    "recovered": {Arm.DEFENDED},
    "steady state after": {Arm.DEFENDED},
    "false alarms": {Arm.DEFENDED, Arm.CONTROL},
}


@pytest.mark.parametrize("missing", list(Arm))
@pytest.mark.parametrize("planned", [True, False])
def test_what_needs_a_missing_arm_is_void_and_the_rest_is_judged(missing: Arm, planned: bool) -> None:
    arms = tuple(Arm) if planned else tuple(arm for arm in Arm if arm is not missing)
    story = Story(Told(arms=arms))
    story.events.pop(missing, None)
    trial = story.score()
    for about, needs in NEEDS.items():
        expected = Verdict.VOID if missing in needs else Verdict.PASSED
        assert verdict(trial, about) is expected, about
    assert trial.verdict is Verdict.VOID
    assert missing not in trial.harm.by_arm


def test_no_arm_at_all_is_void() -> None:
    story = Story()
    story.events.clear()
    assert story.score().verdict is Verdict.VOID


@settings(max_examples=40, deadline=None)
@given(
    kept=st.sets(st.sampled_from(list(Arm))),
    kinds=st.sets(st.sampled_from([Views, Version, Reading, Effect, Alias, Phase]), max_size=3),
    at=st.sampled_from(list(Arm)),
)
def test_missing_data_never_passes(kept: set[Arm], kinds: set[type], at: Arm) -> None:
    story = Story().drop(at, lambda event: type(event) in kinds)
    for arm in set(Arm) - kept:
        del story.events[arm]
    trial = story.score()
    needed = {Reading, Phase} if at is not Arm.DEFENDED else {Reading, Phase, Views}
    lost = bool(kinds & (needed | {Views})) and at in kept
    if kept != set(Arm) or lost:
        assert trial.verdict is not Verdict.PASSED
    if at in kept and Views in kinds:
        assert trial.harm[at][Harm.DEFECTIVE_VIEWS] is None
        assert trial.harm[at][Harm.QUALITY_PCT_DAYS] is None


# --- quiet, demonstration --------------------------------------------------------------------------------


def test_a_quiet_run_passes_without_fault_or_harm() -> None:
    trial = Story(quiet(false_alarms=0)).score()
    assert trial.verdict is Verdict.PASSED
    assert trial.faults == []
    assert {row.outcome for row in trial.layers} == {None}


@pytest.mark.parametrize(("days", "expected"), [(1.0, Verdict.VOID), (1.25, Verdict.PASSED)])
@pytest.mark.parametrize("kind", [Kind.QUIET, Kind.DEMONSTRATION])
def test_a_run_of_the_first_day_alone_counts_no_false_alarms(
    kind: Kind, days: float, expected: Verdict
) -> None:
    story = Story(replace(quiet(false_alarms=0), kind=kind))
    short = story.plan.scenario.model_copy(update={"days": days})
    trial = score_trial(story.plan.model_copy(update={"scenario": short}), story.journals())
    assert reason(trial, "false alarms").verdict is expected


def test_a_quiet_run_needs_the_defended_arm_only() -> None:
    assert Story(replace(quiet(), arms=(Arm.DEFENDED,))).score().verdict is Verdict.PASSED
    assert Story(replace(quiet(), arms=(Arm.CONTROL,))).score().verdict is Verdict.VOID


@pytest.mark.parametrize(
    ("bites", "verdict"), [(True, Verdict.PASSED), (False, Verdict.VOID), (None, Verdict.VOID)]
)
def test_a_benign_change_that_was_not_seen_was_not_withstood(bites: bool | None, verdict: Verdict) -> None:
    trial = Story(replace(quiet(), faults=True, bites=bites)).score()
    assert [one.verdict for one in trial.reasons if one.about == "effect"] == [verdict]


def test_a_benign_change_without_a_proof_of_itself_asks_for_none() -> None:
    story = Story(replace(quiet(), faults=True))
    for arm in Arm:
        story.drop(arm, lambda event: isinstance(event, Effect))
    assert "effect" not in [one.about for one in story.score().reasons]


def test_a_quiet_run_fails_on_a_false_alarm_at_any_time() -> None:
    trial = Story(quiet()).add(Arm.DEFENDED, signal("volume", "fired", 9.0)).score()
    assert trial.verdict is Verdict.FAILED
    assert (
        "1 false alarm in the defended arm, at most 0 allowed: volume on day 9.00"
        in reason(trial, "false alarms").says
    )


def told_of(name: str, layer: str, sent: float) -> Alert:
    return Alert(sent, "monitor", "a1", name, "model", "page", "owner", "firing", sent, None, layer)


@pytest.mark.parametrize(("layer", "fired"), [("", None), ("volume", None), ("volume", 7.0)])
def test_an_alert_that_no_layer_explains_is_a_false_alarm(layer: str, fired: float | None) -> None:
    story = Story(quiet()).add(Arm.DEFENDED, told_of("engagement", layer, 9.0))
    if fired is not None:
        story.add(Arm.DEFENDED, signal("volume", "fired", fired), signal("volume", "cleared", fired + 1))
    alarms = reason(story.score(), "false alarms")
    assert alarms.verdict is Verdict.FAILED
    assert "engagement on day 9.00" in alarms.says


def test_an_alert_and_the_firing_behind_it_are_one_false_alarm() -> None:
    story = Story(quiet(false_alarms=1)).add(Arm.DEFENDED, signal("volume", "fired", 9.0))
    assert story.add(Arm.DEFENDED, told_of("volume", "volume", 9.1)).score().verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("arm", "sent", "alarms"), [("control", 9.0, 1), ("defended", 2.0, 1), ("defended", 9.0, 0)]
)
def test_a_page_of_no_layer_counts_where_there_is_no_fault_to_blame(
    arm: str, sent: float, alarms: int
) -> None:
    trial = Story().add(Arm(arm), told_of("engagement", "", sent)).score()
    assert reason(trial, "false alarms").verdict is (Verdict.FAILED if alarms else Verdict.PASSED)


def test_a_demonstration_in_which_nothing_could_raise_an_alarm_does_not_show_that_none_was() -> None:
    asked = Told(kind=Kind.DEMONSTRATION, expect={"contained": EXPECT["contained"], "false_alarms": 0})
    assert verdict(Story(asked).score(), "false alarms") is Verdict.PASSED
    assert verdict(Story(without(asked, *LAYERS)).score(), "false alarms") is Verdict.VOID
    defended = Story(without(Told(), *LAYERS)).score()
    assert (defended.verdict, verdict(defended, "false alarms")) == (Verdict.FAILED, Verdict.PASSED)


def test_a_quiet_run_of_which_no_layer_was_armed_is_void() -> None:
    """Nothing could have raised an alarm, and nothing could have blocked."""
    told = without(quiet(false_alarms=0, budgets={"false_block_days": 0}), *LAYERS)
    trial = Story(told).score()
    assert trial.verdict is Verdict.VOID
    for about in ("false alarms", "budget false_block_days"):
        assert reason(trial, about).verdict is Verdict.VOID
        assert "no layer was armed" in reason(trial, about).says


BLOCKING = [name for name, stages in LAYERS.items() if Stage.CONTAIN in stages]


def test_that_nothing_was_blocked_cannot_be_said_where_nothing_could_block() -> None:
    trial = Story(without(quiet(false_alarms=0), *BLOCKING)).score()
    assert trial.verdict is Verdict.VOID
    assert verdict(trial, "false alarms") is Verdict.PASSED
    assert reason(trial, "budget false_block_days").says == (
        "no layer was armed that could have blocked anything"
    )
    but_one = Story(without(quiet(false_alarms=0), *BLOCKING[1:])).score()
    assert but_one.verdict is Verdict.PASSED


def test_a_target_whose_layers_only_look_is_not_asked_what_they_block() -> None:
    story = Story(quiet(false_alarms=0))
    for index, arm in enumerate(story.plan.arms):
        looking = {name: one for name, one in arm.layers.items() if name not in BLOCKING}
        story.plan.arms[index] = arm.model_copy(update={"layers": looking})
    trial = story.score()
    assert trial.verdict is Verdict.PASSED
    assert "budget false_block_days" not in [one.about for one in trial.reasons]


def test_a_quiet_run_without_some_layers_says_so() -> None:
    trial = Story(without(quiet(), "volume")).score()
    assert trial.verdict is Verdict.PASSED
    assert "not armed: volume" in reason(trial, "false alarms").says


@pytest.mark.parametrize("acts", ["acted", "would_have_acted"])
def test_a_quiet_run_fails_on_a_false_block_also_where_the_layer_only_observes(acts: str) -> None:
    story = Story(quiet(false_alarms=5))
    story.add(Arm.DEFENDED, signal("hold", acts, 5.0), signal("hold", "cleared", 6.5))
    trial = story.score()
    assert verdict(trial, "budget false_block_days") is Verdict.FAILED
    assert trial.harm[Arm.DEFENDED][Harm.FALSE_BLOCK_DAYS] == 1.5


def test_a_demonstration_expects_a_miss() -> None:
    told_ = Told(kind=Kind.DEMONSTRATION, expect={"missed_by": ["schema"]})
    assert Story(told_).score().verdict is Verdict.PASSED
    seen = Story(told_).add(Arm.DEFENDED, signal("schema", "fired", 5.0)).score()
    assert verdict(seen, "missed by schema") is Verdict.FAILED


def test_a_layer_that_was_never_asked_cannot_have_missed() -> None:
    expect = {"missed_by": ["fallback"]}
    trial = Story(Told(kind=Kind.DEMONSTRATION, expect=expect)).score()
    assert verdict(trial, "missed by fallback") is Verdict.VOID
    off = Story(without(Told(kind=Kind.DEMONSTRATION, expect={"missed_by": ["schema"]}), "schema")).score()
    assert verdict(off, "missed by schema") is Verdict.VOID


@pytest.mark.parametrize(("limit", "expected"), [(0.5, Verdict.FAILED), (1.0, Verdict.PASSED)])
def test_a_demonstration_may_expect_containment_of_at_most(limit: float, expected: Verdict) -> None:
    expect = {"contained": {"of": "defective_views", "at_most": limit}}
    assert verdict(Story(Told(kind=Kind.DEMONSTRATION, expect=expect)).score(), "contained") is expected


def test_a_hole_that_could_not_be_closed_is_void() -> None:
    failed = Undone(8.0, "hole_freshness_mode_3-2", "failed", "features is not running")
    trial = Story().add(Arm.DEFENDED, failed).score()
    assert verdict(trial, "undo") is Verdict.VOID
    assert verdict(trial, "detected") is Verdict.VOID
    assert trial.verdict is Verdict.VOID
    assert "the undo of hole_freshness_mode_3 failed in the defended arm" in reason(trial, "undo").says


def test_what_a_fault_does_that_could_not_be_undone_is_nobody_s_failure() -> None:
    story = Story(without(Told(), "hold"))
    assert story.score().verdict is Verdict.FAILED
    story.add(Arm.UNDEFENDED, Undone(8.5, "late_partition-9", "failed", "nobody answers"))
    assert story.score().verdict is Verdict.VOID


@pytest.mark.parametrize("disturbed", [False, True])
def test_a_failure_that_a_stall_made_void_is_held_back(disturbed: bool) -> None:
    story = Story(without(Told(), "hold"))
    if disturbed:
        story.add(Arm.CONTROL, Stall(5.0, "network proxy", 55.0))
    trial = story.score()
    assert trial.verdict is (Verdict.VOID if disturbed else Verdict.FAILED)
    assert trial.held_back is disturbed
    passed = Story().score()
    assert scenario_verdict([passed, trial]) is trial.verdict
    assert scenario_verdict([passed, Story(Told(bites=False)).score()]) is Verdict.PASSED


# --- several seeds ---------------------------------------------------------------------------------------


V = Verdict


@pytest.mark.parametrize(
    ("verdicts", "share", "expected"),
    [
        ([V.PASSED] * 20, 1.0, V.PASSED),
        ([V.PASSED] * 19 + [V.FAILED], 1.0, V.FAILED),
        ([V.PASSED] * 19 + [V.FAILED], 0.95, V.PASSED),
        ([V.PASSED] * 18 + [V.FAILED] * 2, 0.95, V.FAILED),
        ([V.PASSED, V.VOID], 1.0, V.PASSED),
        ([V.PASSED, V.VOID, V.VOID], 1.0, V.VOID),
        ([V.FAILED, V.VOID, V.VOID], 1.0, V.FAILED),
        ([V.VOID, V.VOID], 0.0, V.VOID),
        ([V.FAILED, V.VOID], 1.0, V.FAILED),
        ([], 1.0, V.VOID),
    ],
)
def test_a_scenario_over_seeds(verdicts: list[Verdict], share: float, expected: Verdict) -> None:
    assert share_verdict(verdicts, share) is expected


@given(st.lists(st.sampled_from(list(Verdict))), st.floats(0.01, 1.0))
def test_void_trials_neither_help_nor_hurt_unless_they_are_the_most(
    verdicts: list[Verdict], share: float
) -> None:
    judged = [verdict for verdict in verdicts if verdict is not Verdict.VOID]
    found, without_void = share_verdict(verdicts, share), share_verdict(judged, share)
    few = 2 * len(judged) < len(verdicts)
    assert found is (Verdict.VOID if few and without_void is Verdict.PASSED else without_void)
    assert found is not Verdict.PASSED or Verdict.PASSED in judged


@pytest.mark.parametrize(
    ("verdicts", "share", "held_back", "expected"),
    [
        ([V.PASSED] * 4 + [V.VOID], 1.0, 1, V.VOID),
        ([V.PASSED] * 19 + [V.VOID], 0.95, 1, V.PASSED),
        ([V.PASSED] * 18 + [V.VOID] * 2, 0.95, 2, V.VOID),
        ([V.PASSED] * 3 + [V.FAILED, V.VOID], 1.0, 1, V.FAILED),
        ([V.VOID], 1.0, 1, V.VOID),
    ],
)
def test_a_failure_that_the_machine_made_void_does_not_leave_the_passes_alone(
    verdicts: list[Verdict], share: float, held_back: int, expected: Verdict
) -> None:
    assert share_verdict(verdicts, share, held_back) is expected


def test_scoring_twice_gives_the_same() -> None:
    story = Story()
    assert score_trial(story.plan, story.journals()) == score_trial(story.plan, story.journals())


# --- what nobody measured --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.QUIET, Kind.DEFENDED])
def test_an_arm_that_was_planned_and_never_begun_is_no_pass(kind: Kind) -> None:
    expect = {"detected": {"by": ["volume"], "within": "1d"}, "recovered": {"within": "2d"}}
    story = Story(quiet(false_alarms=0) if kind is Kind.QUIET else Told(expect=expect))
    assert story.score().verdict is Verdict.PASSED
    del story.events[Arm.BARE]
    trial = story.score()
    assert trial.verdict is Verdict.VOID
    assert reason(trial, "arm bare").says == "the bare arm was not run"


def test_harm_that_was_to_be_there_and_was_not_looked_for_is_no_pass() -> None:
    expect = {"detected": {"by": ["volume"], "within": "1d"}, "harmful": "defective_views"}
    assert Story(Told(expect=expect)).score().verdict is Verdict.PASSED
    trial = Story(Told(expect=expect, arms=(Arm.DEFENDED, Arm.CONTROL))).score()
    assert trial.verdict is Verdict.VOID
    assert reason(trial, "harm").says.startswith("whether there were defective_views was not measured")
    assert reason(trial, "steady state after").verdict is Verdict.PASSED


@pytest.mark.parametrize("gone", [True, False], ids=["no readings", "readings without data"])
def test_an_effect_is_none_where_the_twin_s_probe_gave_no_data(gone: bool) -> None:
    story = Story()
    if gone:
        story.drop(Arm.BARE, lambda event: isinstance(event, Effect))
    else:
        story.change(Arm.BARE, lambda e: Effect(e.day, e.fault, None, None) if isinstance(e, Effect) else e)
    trial = story.score()
    assert trial.verdict is Verdict.VOID
    assert "it gave no data in the bare arm" in reason(trial, "effect").says


def test_a_probe_that_falls_silent_before_the_fault_could_bite_has_seen_nothing_prevented() -> None:
    def silent(event: Event) -> Event:
        if not isinstance(event, Effect):
            return event
        seen = False if event.day <= 3.65 else None
        return Effect(event.day, event.fault, seen, None if seen is None else 0.0)

    expect = {"detected": {"by": ["people"], "within": "1d"}, "budgets": {"undetected_days": 0.1}}
    story = Story(Told(expect=expect)).change(Arm.DEFENDED, silent)
    story.drop(Arm.DEFENDED, lambda event: isinstance(event, Signal | Alert))
    (fault,) = story.score().faults
    assert not fault.prevented


def purged(day: float) -> Story:
    """Versions made of altered data of day 2 answer from day 3.45 to day 9.45."""

    def altered(event: Event) -> Event:
        if not isinstance(event, Version):
            return event
        made_of = [
            msgspec.structs.replace(one, sha256="other") if one.partition_day == 2 and one.rows else one
            for one in event.partitions
        ]
        return msgspec.structs.replace(event, partitions=made_of)

    story = Story().add(Arm.DEFENDED, Partition(day, "features", 2, 0, "", "purged"))
    return story.change(Arm.DEFENDED, altered)


@pytest.mark.parametrize(
    ("day", "silent_day", "expected"),
    [
        (7.0, 14.0, Verdict.FAILED),
        (7.0, 7.0, Verdict.VOID),
        (7.0, 9.0, Verdict.FAILED),
        (10.0, 14.0, Verdict.PASSED),
        (10.0, 12.0, Verdict.VOID),
        (13.9, 14.0, Verdict.VOID),
    ],
)
def test_after_a_purge_views_tell_what_is_still_in_service(
    day: float, silent_day: float, expected: Verdict
) -> None:
    story = purged(day).drop(
        Arm.DEFENDED, lambda one: isinstance(one, Views) and one.start_day >= silent_day - 1e-6
    )
    assert reason(story.score(), "purge").verdict is expected


def test_what_was_in_service_after_a_purge_is_not_known_of_an_arm_that_lost_a_component() -> None:
    story = purged(7.0)
    assert reason(story.score(), "purge").verdict is Verdict.FAILED
    trial = story.add(Arm.DEFENDED, Exit(12.0, "trainer", -9, False)).score()
    assert reason(trial, "purge").verdict is Verdict.VOID
    assert trial.verdict is Verdict.VOID


def test_a_recovery_that_the_next_fault_cut_short_is_not_judged() -> None:
    expect = {"detected": {"by": ["volume"], "within": "1d", "of": ["late_partition"]}}
    story = followed(Story(Told(expect={**expect, "recovered": {"within": "3d"}})), day=9.5)
    trial = story.change(Arm.DEFENDED, bad_until(9.3)).score()
    assert reason(trial, "recovered late_partition").verdict is Verdict.VOID
    assert "within the 1.00 d that were left" in reason(trial, "recovered late_partition").says


def followed(story: Story, day: float) -> Story:
    """Another fault, of a day, comes after the first."""
    scenario = story.plan.scenario.model_dump(by_alias=True, mode="json")
    scenario["faults"].append({"fault": "noop", "at": f"{day}d", "for": "1d"})
    whole = Scenario.model_validate(scenario)
    second = PlannedFault(key="noop", fault="noop", parameters={}, inject_day=day, undo_day=day + 1)
    arms = [
        arm.model_copy(
            update={
                "faults": [*arm.faults, second] if arm.faults else [],
                "effect_watch": [*arm.effect_watch, second] if arm.effect_watch else [],
            }
        )
        for arm in story.plan.arms
    ]
    story.plan = story.plan.model_copy(update={"scenario": whole, "expect": whole.expect, "arms": arms})
    for arm in Arm:
        if arm.has_fault:
            story.add(arm, Phase(day, "inject", "noop"), Phase(day + 1, "undo", "noop"))
        story.add(arm, *(Effect(day + nth / 10, "noop", arm.has_fault, 1.0) for nth in range(1, 10)))
    return story


def bad_until(day: float) -> Callable[[Event], Event]:
    def change(event: Event) -> Event:
        late = isinstance(event, Reading) and event.probe == "good_views" and 8.5 < event.day <= day
        return msgspec.structs.replace(event, value=0.5, ok=False) if late else event

    return change


def test_nobody_contained_what_did_no_harm() -> None:
    expect = {"contained": {"of": "defective_views", "at_least": 0.5}}
    story = Story(Told(bites=False, expect=expect))
    acts = [signal("hold", kind, day) for kind, day in (("fired", 4.2), ("acted", 4.2), ("cleared", 9.1))]
    story.add(Arm.DEFENDED, *acts)
    for arm in (Arm.DEFENDED, Arm.UNDEFENDED):
        story.change(arm, lambda e: Effect(e.day, e.fault, e.day >= 4.2, 1.0) if isinstance(e, Effect) else e)
    trial = story.score()
    assert trial.verdict is Verdict.VOID
    assert [row.outcome for row in trial.layers if row.layer == "hold"] == [Outcome.DETECTED]


# --- an arm that lost a component ------------------------------------------------------------------------


@pytest.mark.parametrize("arm", list(Arm))
def test_what_needs_an_arm_that_lost_a_component_is_void_and_the_rest_is_judged(arm: Arm) -> None:
    """It lived through its days, so that there are numbers; they are not what was to be measured."""
    trial = Story().add(arm, Exit(5.0, "trainer", 137, expected=False)).score()
    for about, needs in NEEDS.items():
        assert verdict(trial, about) is (Verdict.VOID if arm in needs else Verdict.PASSED), about
        if arm in needs:
            assert f"{arm.value} arm" in reason(trial, about).says, about
    assert trial.faults[0].containment is None
    assert not any(one.about == "injected" for one in trial.reasons)


@pytest.mark.parametrize(
    ("kind", "about", "expect"),
    [
        (Kind.DEFENDED, "alerted", {"alerted": {"severity": "page", "within": "1d"}}),
        (Kind.DEMONSTRATION, "missed by schema", {"missed_by": ["schema"]}),
    ],
)
def test_alerts_and_misses_are_told_by_the_control_arm_too(
    kind: Kind, about: str, expect: dict[str, Any]
) -> None:
    assert verdict(Story(Told(kind=kind, expect=expect)).score(), about) is Verdict.PASSED
    lost = Exit(5.0, "trainer", 137, expected=False)
    trial = Story(Told(kind=kind, expect=expect)).add(Arm.CONTROL, lost).score()
    assert verdict(trial, about) is Verdict.VOID
    assert "the control arm lost trainer" in reason(trial, about).says


def test_blocks_before_the_fault_are_told_by_the_defended_arm_alone() -> None:
    expect = {"detected": {"by": ["volume"], "within": "1d"}, "budgets": {"false_block_days": 0}}
    trial = Story(Told(expect=expect)).add(Arm.CONTROL, Exit(5.0, "trainer", 137, expected=False)).score()
    assert verdict(trial, "budget false_block_days") is Verdict.PASSED


def test_the_first_component_that_was_lost_is_named() -> None:
    lost = (Exit(5.0, "trainer", 137, expected=False), Exit(6.0, "features", 1, expected=False))
    assert "lost trainer on day 5.00" in reason(Story().add(Arm.BARE, *lost).score(), "arm bare").says


def test_an_arm_that_ended_before_its_fault_is_not_said_to_lack_it() -> None:
    story = Story().add(Arm.DEFENDED, Phase(2.0, "void", "because"))
    story.drop(Arm.DEFENDED, lambda event: 2.0 < event.day < 14.0)
    assert not any(one.about == "injected" for one in story.score().reasons)


def test_what_was_stopped_is_told_from_what_ended_itself() -> None:
    assert not Story().score().interrupted
    assert Story().cut(Arm.CONTROL, 6.3).score().interrupted
    story = Story()
    del story.events[Arm.BARE]
    assert story.score().interrupted
    voided = Story().add(Arm.UNDEFENDED, Phase(5.0, "void", "no port"))
    del voided.events[Arm.BARE]
    assert not voided.score().interrupted


def test_after_an_undo_that_failed_nobody_knows_whether_it_ends_steady() -> None:
    story = Story().drop(Arm.CONTROL, lambda event: isinstance(event, Undone))
    story.drop(Arm.DEFENDED, lambda event: isinstance(event, Undone))
    trial = story.add(Arm.DEFENDED, Undone(8.5, "late_partition-1", "failed", "link gone")).score()
    assert [arm.steady_after for arm in trial.arms] == [None, True, True, True]
    assert reason(trial, "steady state after").verdict is Verdict.VOID


def test_of_an_undo_that_failed_twice_the_first_reason_is_told() -> None:
    failed = [
        Undone(day, "late_partition-1", "failed", says) for day, says in ((8.5, "gone"), (13.0, "late"))
    ]
    story = Story().drop(Arm.DEFENDED, lambda event: isinstance(event, Undone)).add(Arm.DEFENDED, *failed)
    assert reason(story.score(), "undo").says.endswith("failed in the defended arm: gone")


# --- limits, both sides ----------------------------------------------------------------------------------


def volume_from(day: float) -> Callable[[Event], Event]:
    def later(event: Event) -> Event:
        mine = getattr(event, "layer", "") == "volume" and event.day in (4.17, 4.2)
        return msgspec.structs.replace(event, day=day) if mine else event

    return later


@pytest.mark.parametrize(("day", "expected"), [(5.2, Verdict.PASSED), (5.21, Verdict.FAILED)])
def test_a_detection_on_its_limit_is_in_time(day: float, expected: Verdict) -> None:
    story = Story(told(detected={"by": ["volume"], "within": "1d"})).change(Arm.DEFENDED, volume_from(day))
    assert verdict(story.score(), "detected") is expected


def test_containment_on_its_limit_is_enough() -> None:
    assert Story(told(contained={"of": "defective_views", "at_least": 1.0})).score().verdict is Verdict.PASSED


def test_a_demonstration_is_to_end_steady_only_where_it_says_so() -> None:
    miss = {"missed_by": ["schema"]}
    story = Story(Told(kind=Kind.DEMONSTRATION, expect=miss)).change(Arm.DEFENDED, bad_until(14.0))
    assert story.score().verdict is Verdict.PASSED
    assert not any(one.about == "steady state after" for one in story.score().reasons)
    asked = Told(kind=Kind.DEMONSTRATION, expect={**miss, "recovered": {"within": "2d"}})
    trial = Story(asked).change(Arm.DEFENDED, bad_until(14.0)).score()
    assert verdict(trial, "steady state after") is Verdict.FAILED


def test_a_detection_that_is_expected_of_one_fault_is_asked_of_no_other() -> None:
    expect = {"detected": {"by": ["volume"], "within": "1d", "of": ["late_partition"]}}
    trial = followed(Story(Told(expect=expect)), day=9.5).score()
    abouts = [one.about for one in trial.reasons if one.about.startswith("detected")]
    assert abouts == ["detected late_partition"]


@pytest.mark.parametrize(("allowed", "expected"), [(1.5, Verdict.PASSED), (1.4, Verdict.FAILED)])
def test_a_quiet_run_may_allow_some_days_of_blocks(allowed: float, expected: Verdict) -> None:
    story = Story(quiet(false_alarms=5, budgets={"false_block_days": allowed}))
    story.add(Arm.DEFENDED, signal("hold", "acted", 5.0), signal("hold", "cleared", 6.5))
    assert story.score().verdict is expected


def slow_views(row: ViewRow) -> ViewRow:
    return msgspec.structs.replace(row, slow=2)


@pytest.mark.parametrize("faults", [False, True])
def test_in_a_quiet_run_all_that_the_defended_arm_suffers_counts(faults: bool) -> None:
    """The control arm is not asked, so what is there anyway counts too."""
    asked = replace(quiet(budgets={"slow_views": 100}), faults=faults)
    assert Story(replace(asked, arms=(Arm.DEFENDED,), faults=False)).score().verdict is Verdict.PASSED
    story = Story(asked)
    for arm in Arm:
        story.change(arm, rows(slow_views, 4.0, 5.0))
    assert verdict(story.score(), "budget slow_views") is Verdict.FAILED


def test_a_quiet_run_of_which_a_layer_is_switched_on_for_a_while_is_judged() -> None:
    story = Story(without(quiet(false_alarms=0), *LAYERS))
    on = PlannedHole(layer="volume", key="mode", value="enforce", from_day=3.0, until_day=7.0)
    for index, arm in enumerate(story.plan.arms):
        story.plan.arms[index] = arm.model_copy(update={"holes": [on]})
    assert verdict(story.score(), "false alarms") is Verdict.PASSED


def test_a_quiet_run_has_no_outcomes_though_a_layer_is_off_for_a_while() -> None:
    story = Story(quiet(false_alarms=0))
    off = PlannedHole(layer="volume", key="mode", value="off", from_day=3.0, until_day=7.0)
    for index, arm in enumerate(story.plan.arms):
        story.plan.arms[index] = arm.model_copy(update={"holes": [off]})
    assert {row.outcome for row in story.score().layers} == {None}


# --- of several faults the best outcome ------------------------------------------------------------------


def test_the_best_outcome_over_the_faults_is_a_layer_s() -> None:
    story = followed(Story(), day=9.5)
    story.drop(Arm.DEFENDED, lambda one: getattr(one, "layer", "") == "schema" and 9.4 < one.day < 11.6)
    story.add(Arm.DEFENDED, signal("hold", "fired", 9.7), signal("hold", "cleared", 9.9))
    outcomes = {row.layer: row.outcome for row in story.score().layers}
    assert (outcomes["schema"], outcomes["hold"]) == (Outcome.MISSED, Outcome.CONTAINED)


# --- the machine -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "worse", "day", "expected"),
    [
        ("error_views", {"errors": 3}, 4.5, Verdict.VOID),
        ("error_views", {"errors": 3}, 9.0, Verdict.PASSED),
        ("abandoned_views", {"abandoned": 5}, 4.5, Verdict.VOID),
        ("abandoned_views", {"abandoned": 5}, 9.0, Verdict.PASSED),
        ("slow_views", {"slow": 5}, 4.5, Verdict.VOID),
    ],
)
def test_harm_that_may_be_others_who_took_the_machine_is_none_to_be_contained(
    kind: str, worse: dict[str, int], day: float, expected: Verdict
) -> None:
    expect = {"detected": {"by": ["volume"], "within": "1d"}, "harmful": kind}
    story = Story(Told(expect=expect))
    story.change(Arm.UNDEFENDED, rows(lambda row: msgspec.structs.replace(row, **worse), 4.0, 5.0))
    assert story.score().verdict is Verdict.PASSED
    assert story.add(Arm.UNDEFENDED, Contention(day, 0.8, 0.6)).score().verdict is expected


def named_by_the_fault(story: Story, change: Change) -> Story:
    id = f"{FAULT}-2"
    return story.add(Arm.DEFENDED, Planned(3.5, id, FAULT, change), Applied(3.5, id))


@pytest.mark.parametrize(
    "change",
    [
        Starve("serving-a", 30.0, 30.0),
        Push("orchestrator", "shell.service_ms", 9.0, ["serving-a"], "someone"),
    ],
    ids=["one", "several"],
)
@pytest.mark.parametrize(
    "late",
    [Lag(5.0, "serving-a", 0.5, 0.5), Waiting(5.0, "serving-a", 9.0, 0.25), Stall(5.0, "serving-a", 55.0)],
    ids=["lag", "waiting", "stall"],
)
def test_what_a_fault_keeps_from_running_is_not_the_machine_s_doing(late: Event, change: Change) -> None:
    failing = without(Told(), "freshness", "volume")
    assert Story(failing).add(Arm.DEFENDED, late).score().verdict is Verdict.VOID
    assert (
        named_by_the_fault(Story(failing), change).add(Arm.DEFENDED, late).score().verdict is Verdict.FAILED
    )


def test_the_worst_lag_and_wait_are_told() -> None:
    story = Story().add(Arm.BARE, Lag(4.0, "shop", 0.02, 0.3), Lag(5.0, "trainer", 0.09, 0.3))
    story.add(Arm.BARE, Waiting(4.0, "shop", 4.0, 0.25), Waiting(5.0, "trainer", 1.0, 0.25))
    bare = story.score().arms[-1]
    assert (bare.lag_days, bare.wait_ms) == (0.09, 4.0)
    busy = Story().add(Arm.BARE, Lag(4.0, "shop", 0.2, 0.3), Lag(5.0, "trainer", 0.4, 0.3)).score()
    assert "trainer ran up to 0.40 d late" in reason(busy, "lag").says


def test_how_often_the_machine_stood_still_is_told() -> None:
    failing = Story(without(Told(), "freshness", "volume"))
    trial = failing.add(Arm.CONTROL, *(Stall(float(day), "shop", 20.0 + day) for day in (3, 4, 5))).score()
    assert "for 25 ms on day 5.00 of the control arm (and 2 times more)" in reason(trial, "detected").says


# --- the latency loop ------------------------------------------------------------------------------------


def loop(**bounds: float) -> Story:
    expect = {"loop": {"quality_at_end": bounds, "users_at_end": {"at_least": 1.0, "at_most": 1.0}}}
    return Story(Told(kind=Kind.DEMONSTRATION, expect=expect))


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"at_least": 0.87, "at_most": 0.89}, Verdict.PASSED),
        ({"at_least": 0.89}, Verdict.FAILED),
        ({"at_most": 0.87}, Verdict.FAILED),
    ],
)
def test_the_loop_of_the_undefended_arm_is_held_to_its_bounds(
    bounds: dict[str, float], expected: Verdict
) -> None:
    """Without layers 12% less of the best slate is served to the end of the fault, and nobody stays away."""
    trial = loop(**bounds).score()
    assert verdict(trial, "loop quality at end") is expected
    assert verdict(trial, "loop users at end") is Verdict.PASSED


@pytest.mark.parametrize("arm", [Arm.UNDEFENDED, Arm.BARE])
def test_the_loop_is_not_measured_in_an_arm_that_lost_a_component(arm: Arm) -> None:
    trial = loop(at_most=0.87).add(arm, Exit(5.0, "trainer", 137, expected=False)).score()
    assert verdict(trial, "loop quality at end") is Verdict.VOID


@pytest.mark.parametrize("kind", ["fired", "would_have_acted", "acted"])
@pytest.mark.parametrize("arm", [Arm.DEFENDED, Arm.UNDEFENDED])
def test_a_layer_that_is_off_and_speaks_has_not_been_switched_off(arm: Arm, kind: str) -> None:
    """With such a target every hole would be green, and the arms without layers would have them."""
    story = Story(without(Told(), "freshness")).add(arm, signal("freshness", kind, 4.5))
    trial = story.score()
    assert verdict(trial, "contained") is Verdict.VOID
    says = f"the {arm.value} arm was to be without layer 'freshness', which {kind} on day 4.50"
    assert says in reason(trial, "contained").says
    assert trial.verdict is Verdict.VOID


def test_a_layer_that_is_off_may_say_that_it_is_reached_and_one_that_is_switched_on_later_may_speak() -> None:
    quietly = Story().add(
        Arm.UNDEFENDED, signal("freshness", "reached", 4.5), signal("freshness", "cleared", 5.0)
    )
    assert quietly.score().verdict is Verdict.PASSED
    story = Story(without(Told(), "freshness")).add(Arm.DEFENDED, signal("freshness", "fired", 4.5))
    on = PlannedHole(layer="freshness", key="mode", value="enforce", from_day=4.0, until_day=None)
    arms = [arm.model_copy(update={"holes": [on] if arm.arm.has_layers else []}) for arm in story.plan.arms]
    story.plan = story.plan.model_copy(update={"arms": arms})
    assert "was to be without" not in reason(story.score(), "contained").says


def test_what_rests_on_the_truth_is_not_measured_where_the_target_does_not_know_it() -> None:
    """Whatever numbers its views have: not a harm, not a loop, not a line in the report, and never a pass."""
    expect = {**EXPECT, "budgets": {"quality_pct_days": 99}, "loop": {"quality_at_end": {"at_least": 0.1}}}
    known, story = Story(Told(expect=expect)), Story(Told(expect=expect))
    arms = [arm.model_copy(update={"truth": False}) for arm in story.plan.arms]
    story.plan = story.plan.model_copy(update={"arms": arms})
    for one, measured in ((known, True), (story, False)):
        trial, picture = one.score(), picture_of(one.journals())
        assert [trial.harm[arm][Harm.QUALITY_PCT_DAYS] is not None for arm in Arm] == [measured] * 4
        assert (trial.loop is not None) is measured
        assert any(series.kind is Harm.QUALITY_PCT_DAYS for series in picture.harms) is measured
        for about in ("budget quality_pct_days", "loop quality at end"):
            assert verdict(trial, about) is (Verdict.PASSED if measured else Verdict.VOID)


# --- what is told of a trial -----------------------------------------------------------------------------


def test_alerts_of_every_arm_are_told() -> None:
    trial = Story().add(Arm.CONTROL, told_of("engagement", "", 9.0)).score()
    assert [(alert.arm, alert.name) for alert in trial.alerts] == [
        (Arm.DEFENDED, "VolumeRed"),
        (Arm.CONTROL, "engagement"),
    ]


def test_a_scenario_s_share_of_passes_is_its_trials_too() -> None:
    story = Story()
    scenario = story.plan.scenario.model_copy(update={"pass_share": 0.5})
    story.plan = story.plan.model_copy(update={"scenario": scenario})
    failing = Story(without(Told(), "freshness", "volume")).score()
    passing = story.score()
    assert passing.pass_share == 0.5
    assert scenario_verdict([passing, failing]) is Verdict.PASSED
    assert scenario_verdict([failing, passing]) is Verdict.FAILED


def test_who_lost_most_quality_is_told_against_the_control_arm() -> None:
    def worse(row: ViewRow) -> ViewRow:
        return msgspec.structs.replace(row, served_value=0.5 * row.served_value) if row.segment == 3 else row

    trial = Story().change(Arm.DEFENDED, rows(worse, 4.0, 5.0)).score()
    worst = trial.harm.worst_segment[Harm.QUALITY_PCT_DAYS]
    assert worst is not None
    assert worst.segment == 3
    assert worst.value > 50


def test_harm_is_to_be_looked_for_in_both_arms_without_layers() -> None:
    expect = {"detected": {"by": ["volume"], "within": "1d"}, "harmful": "defective_views"}
    trial = Story(Told(expect=expect, arms=(Arm.DEFENDED, Arm.CONTROL, Arm.UNDEFENDED))).score()
    assert verdict(trial, "harm") is Verdict.VOID
    assert "the bare arm was not run" in reason(trial, "harm").says


def test_undetected_days_need_the_control_arm() -> None:
    story = Story()
    del story.events[Arm.CONTROL]
    assert story.score().harm[Arm.DEFENDED][Harm.UNDETECTED_DAYS] is None


def test_who_would_have_seen_it_is_not_measured_of_a_target_without_layers() -> None:
    """Its alerts say whether it was told of; that no layer saw it says nothing."""
    story = Story(Told(expect={"alerted": {"name": "odd", "within": "1d"}}))
    for index, arm in enumerate(story.plan.arms):
        story.plan.arms[index] = arm.model_copy(update={"layers": {}})
        story.drop(arm.arm, lambda event: isinstance(event, Signal | Alert))
    trial = story.score()
    assert trial.faults[0].detection is None
    assert trial.harm[Arm.DEFENDED][Harm.UNDETECTED_DAYS] is None
    assert trial.harm[Arm.UNDEFENDED][Harm.UNDETECTED_DAYS] == pytest.approx(8.5 - 4.2)


def test_a_target_without_layers_has_kept_no_budget_of_what_layers_block() -> None:
    expect = {"alerted": {"name": "odd", "within": "1d"}, "budgets": {"false_block_days": 0}}
    story = Story(Told(expect=expect))
    for index, arm in enumerate(story.plan.arms):
        story.plan.arms[index] = arm.model_copy(update={"layers": {}})
        story.drop(arm.arm, lambda event: isinstance(event, Signal))
    trial = story.score()
    assert verdict(trial, "budget false_block_days") is Verdict.VOID
    assert trial.harm[Arm.DEFENDED][Harm.FALSE_BLOCK_DAYS] is None


def test_days_after_the_undo_are_not_undetected_ones() -> None:
    story = Story(without(Told(), "freshness", "volume")).add(Arm.DEFENDED, signal("schema", "fired", 9.2))
    trial = story.score()
    assert trial.faults[0].detection is not None
    assert trial.harm[Arm.DEFENDED][Harm.UNDETECTED_DAYS] == pytest.approx(8.5 - 4.2)
