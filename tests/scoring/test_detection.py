"""Whose signal can be put down to the fault, and what became of each layer."""

from __future__ import annotations

import msgspec
import pytest

from chaos.domain.change import AddDataToxic
from chaos.domain.event import (
    Alert,
    Applied,
    Effect,
    Event,
    Exit,
    Planned,
    Prepared,
    Refused,
    Signal,
    Undone,
)
from chaos.domain.layer import Mode, Outcome, Stage
from chaos.domain.plan import PlannedHole, TrialPlan
from chaos.domain.scenario import Arm, Harm, Kind
from chaos.domain.verdict import Detection, TrialResult, Verdict
from chaos.scoring.episodes import alerts_of, episodes_of
from chaos.scoring.trial import score_trial
from tests.journals import DAYS, FAULT, Story, Told, quiet, signal, without

BLIND = without(Told(), "volume", "freshness")


def detection(story: Story) -> Detection | None:
    return story.score().faults[0].detection


def outcome(trial: TrialResult, layer: str) -> Outcome | None:
    return next(row.outcome for row in trial.layers if row.layer == layer)


def test_what_is_said_while_the_stack_is_taken_down_is_about_that() -> None:
    late = signal("schema", "fired", DAYS + 0.04)
    story = Story().add(Arm.CONTROL, late, msgspec.structs.replace(late, day=DAYS - 0.1, about="before"))
    assert [one.about for one in episodes_of(story.journals()[Arm.CONTROL])] == ["before"]


# --- attribution -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "seen"),
    [
        (3.4, False),
        (3.5, True),
        (3.6, True),
        (8.4, True),
        (9.4, True),
        (9.5, True),
        (9.6, False),
        (13.0, False),
    ],
)
def test_a_signal_counts_from_the_injection_until_a_day_after_the_undo(day: float, seen: bool) -> None:
    found = detection(Story(BLIND).add(Arm.DEFENDED, signal("schema", "fired", day)))
    assert (found is not None) is seen
    if found is not None:
        assert found.delay_days == pytest.approx(max(0.0, day - 4.2))


@pytest.mark.parametrize(
    ("control_day", "seen"), [(5.0, False), (5.4, False), (4.6, False), (5.6, True), (4.3, True)]
)
def test_what_the_control_arm_says_too_at_that_time_is_not_about_the_fault(
    control_day: float, seen: bool
) -> None:
    story = Story(BLIND).add(Arm.DEFENDED, signal("schema", "fired", 5.0))
    story.add(
        Arm.CONTROL, signal("schema", "fired", control_day), signal("schema", "cleared", control_day + 0.05)
    )
    assert (detection(story) is not None) is seen


def test_a_layer_that_goes_on_firing_in_the_control_arm_explains_a_later_signal() -> None:
    story = Story(BLIND).add(Arm.DEFENDED, signal("schema", "fired", 5.0))
    story.add(Arm.CONTROL, signal("schema", "fired", 2.0))
    assert detection(story) is None


def test_another_layer_of_the_control_arm_explains_nothing() -> None:
    story = Story(BLIND).add(Arm.DEFENDED, signal("schema", "fired", 5.0))
    story.add(Arm.CONTROL, signal("evaluation", "fired", 5.0))
    assert detection(story) is not None


def test_a_signal_before_the_effect_has_no_delay() -> None:
    found = detection(Story(BLIND).add(Arm.DEFENDED, signal("schema", "fired", 3.7)))
    assert found is not None
    assert found.delay_days == 0.0


def alert(layer: str, sent: float) -> Alert:
    return Alert(sent, "monitor", "a1", "Odd", "model", "page", "owner", "firing", sent, None, layer)


def test_an_alert_tells_for_a_layer_without_signals_of_its_own() -> None:
    found = detection(Story(BLIND).add(Arm.DEFENDED, alert("fallback", 5.0)))
    assert found is not None
    assert (found.layer, found.day) == ("fallback", 5.0)


def test_an_alert_of_no_layer_is_no_detection() -> None:
    assert detection(Story(BLIND).add(Arm.DEFENDED, alert("", 5.0))) is None


# --- prevented -------------------------------------------------------------------------------------------


def unseen(event: Event) -> Event:
    return msgspec.structs.replace(event, seen=False) if isinstance(event, Effect) else event


def test_a_fault_whose_probe_sees_nothing_in_the_defended_arm_is_prevented() -> None:
    trial = Story().change(Arm.DEFENDED, unseen).score()
    fault = trial.faults[0]
    assert fault.prevented
    assert fault.detection is not None
    # The delay counts from the injection then.
    assert fault.detection.delay_days == pytest.approx(4.17 - 3.5)
    assert (outcome(trial, "hold"), outcome(trial, "volume")) == (Outcome.PREVENTED, Outcome.DETECTED)
    says = next(one.says for one in trial.reasons if one.about == "detected")
    assert "0.67 d after the injection" in says


def test_no_harm_alone_is_not_prevention() -> None:
    assert not Story().score().faults[0].prevented


def test_a_probe_without_data_in_the_defended_arm_is_not_prevention() -> None:
    story = Story().drop(Arm.DEFENDED, lambda event: isinstance(event, Effect))
    assert not story.score().faults[0].prevented


def refuse(story: Story, arm: Arm, day: float = 3.5) -> Story:
    kinds = (Planned, Prepared, Applied, Undone)
    planned = next(event for event in story.events[arm] if isinstance(event, Planned))
    story.drop(arm, lambda event: isinstance(event, kinds))
    return story.add(arm, planned, Refused(day, planned.id, "evaluation", "not on a Friday"))


def test_what_a_layer_says_before_the_door_answers_is_no_false_alarm() -> None:
    told = Told(
        expect={"detected": {"by": ["admission"], "within": "1d"}, "false_alarms": 0},
        not_armed=("volume", "freshness"),
    )
    story = refuse(Story(told), Arm.DEFENDED, 3.6).change(Arm.DEFENDED, unseen)
    trial = story.add(Arm.DEFENDED, signal("admission", "fired", 3.55)).score()
    assert trial.faults[0].injected_day == 3.5
    verdicts = {one.about: one.verdict for one in trial.reasons}
    assert (verdicts["detected"], verdicts["false alarms"]) == (Verdict.PASSED, Verdict.PASSED)


def test_a_refused_fault_is_prevented_by_the_layer_at_the_door() -> None:
    told = Told(
        expect={"detected": {"by": ["evaluation"], "within": "1d"}}, not_armed=("volume", "freshness")
    )
    story = refuse(Story(told), Arm.DEFENDED).change(Arm.DEFENDED, unseen)
    trial = story.score()
    fault = trial.faults[0]
    assert fault.prevented
    assert fault.detection is not None
    assert (fault.detection.layer, fault.detection.delay_days) == ("evaluation", 0.0)
    assert outcome(trial, "evaluation") is Outcome.PREVENTED
    assert next(one.verdict for one in trial.reasons if one.about == "detected") is Verdict.PASSED


def test_a_fault_of_which_only_a_part_was_refused_is_not_prevented() -> None:
    story = Story()
    planned = next(event for event in story.events[Arm.DEFENDED] if isinstance(event, Planned))
    flag = msgspec.structs.replace(planned, id="late_partition-2")
    story.add(Arm.DEFENDED, flag, Refused(planned.day, flag.id, "evaluation", "not on a Friday"))
    trial = story.score()
    assert not trial.faults[0].prevented
    assert outcome(trial, "hold") is Outcome.CONTAINED
    # Where its probe sees nothing of the other part, it is.
    assert story.change(Arm.DEFENDED, unseen).score().faults[0].prevented


def test_a_fault_refused_without_layers_too_could_not_bite() -> None:
    trial = refuse(Story(), Arm.UNDEFENDED).score()
    assert trial.verdict is Verdict.VOID
    assert any(
        "evaluation refused late_partition in the undefended arm too" in one.says for one in trial.reasons
    )


# --- outcomes --------------------------------------------------------------------------------------------


def test_each_layer_has_one_outcome() -> None:
    trial = Story(Told(not_armed=("meta",))).score()
    assert {row.layer: row.outcome for row in trial.layers} == {
        "schema": Outcome.MISSED,
        "volume": Outcome.DETECTED,
        "freshness": Outcome.DETECTED,
        "hold": Outcome.CONTAINED,
        "evaluation": Outcome.MISSED,
        "fallback": Outcome.NOT_REACHED,
        "burn": Outcome.MISSED,
        "meta": Outcome.NOT_ARMED,
        "people": Outcome.NOT_REACHED,
    }
    assert [row.expected for row in trial.layers if row.layer == "volume"] == [["detect"]]


def test_a_layer_reached_only_before_the_fault_was_not_reached_by_it() -> None:
    story = Story().drop(Arm.DEFENDED, lambda event: getattr(event, "layer", "") == "burn")
    story.add(Arm.DEFENDED, signal("burn", "reached", 2.0))
    assert outcome(story.score(), "burn") is Outcome.NOT_REACHED


@pytest.mark.parametrize(
    ("day", "expected"), [(3.4, Outcome.NOT_REACHED), (9.4, Outcome.DETECTED), (9.6, Outcome.NOT_REACHED)]
)
def test_an_alert_long_after_the_fault_does_not_say_that_its_layer_was_asked(
    day: float, expected: Outcome
) -> None:
    story = Story(Told(kind=Kind.DEMONSTRATION, expect={"missed_by": ["people"]}))
    story.add(
        Arm.DEFENDED,
        Alert(day, "monitor", "p", "Call", "user", "page", "ml", "firing", day, None, "people"),
    )
    trial = story.score()
    assert outcome(trial, "people") is expected
    (missed,) = [one for one in trial.reasons if one.about == "missed by people"]
    assert missed.verdict is (Verdict.FAILED if expected is Outcome.DETECTED else Verdict.VOID)


def test_a_layer_that_acted_in_vain_only_detected() -> None:
    story = Story(without(Told(), "hold"))
    story.add(Arm.DEFENDED, signal("schema", "fired", 5.0), signal("schema", "acted", 5.0))
    trial = story.score()
    assert trial.faults[0].containment is not None
    assert trial.faults[0].containment.ratio == 0.0
    assert trial.faults[0].containment.by == []
    assert outcome(trial, "schema") is Outcome.DETECTED


def test_without_the_control_arm_no_outcome_is_made_up() -> None:
    story = Story()
    del story.events[Arm.CONTROL]
    trial = story.score()
    assert outcome(trial, "volume") is None
    assert outcome(trial, "fallback") is Outcome.NOT_REACHED
    assert trial.faults[0].detection is None
    assert {row.false_alarms for row in trial.layers} == {None}


def hole(plan: TrialPlan, from_day: float, until_day: float | None) -> TrialPlan:
    """The plan with hold off for a span, in the defended arm."""
    opened = PlannedHole(layer="hold", key="mode", value="off", from_day=from_day, until_day=until_day)
    arms = [
        arm.model_copy(update={"holes": [opened]}) if arm.arm is Arm.DEFENDED else arm for arm in plan.arms
    ]
    return plan.model_copy(update={"arms": arms, "not_armed": ["hold"]})


@pytest.mark.parametrize(
    ("from_day", "until_day", "armed"),
    [(3.0, 9.0, False), (3.0, None, False), (3.5, 8.5, False), (5.0, 6.0, True), (0.0, 3.0, True)],
)
def test_a_hole_that_is_open_for_all_of_the_fault_disarms(
    from_day: float, until_day: float | None, armed: bool
) -> None:
    story = Story()
    trial = score_trial(hole(story.plan, from_day, until_day), story.journals())
    assert trial.not_armed == ([] if armed else ["hold"])
    assert (outcome(trial, "hold") is Outcome.NOT_ARMED) is not armed


# --- false alarms ----------------------------------------------------------------------------------------


def test_false_alarms_are_those_of_the_control_arm_and_those_before_the_fault() -> None:
    story = Story()
    story.add(Arm.CONTROL, signal("volume", "fired", 11.0))
    story.add(Arm.DEFENDED, signal("volume", "fired", 2.0), signal("volume", "cleared", 2.5))
    story.add(Arm.DEFENDED, signal("schema", "fired", 11.0))
    trial = story.score()
    assert {row.layer: row.false_alarms for row in trial.layers if row.false_alarms} == {"volume": 2}
    assert trial.verdict is Verdict.FAILED
    says = next(one.says for one in trial.reasons if one.about == "false alarms")
    assert says.startswith("2 false alarms in the control arm or before the fault, at most 0 allowed: volume")


def test_false_alarms_within_the_limit_pass() -> None:
    story = Story(Told(expect={**Told().expect, "false_alarms": 1}))
    assert story.add(Arm.CONTROL, signal("schema", "fired", 11.0)).score().verdict is Verdict.PASSED
    assert story.add(Arm.CONTROL, signal("schema", "fired", 12.0)).score().verdict is Verdict.FAILED


# --- episodes --------------------------------------------------------------------------------------------


def only(*events: Event) -> Story:
    story = Story().drop(Arm.BARE, lambda event: hasattr(event, "signal"))
    return story.add(Arm.BARE, *events)


def test_signals_about_different_things_are_different_episodes() -> None:
    story = only(
        signal("meta", "fired", 2.0, about="trainer"),
        signal("meta", "fired", 2.5, about="features"),
        signal("meta", "cleared", 3.0, about="trainer"),
    )
    found = episodes_of(story.journals()[Arm.BARE])
    assert [(one.about, one.fired_day, one.cleared_day) for one in found] == [
        ("trainer", 2.0, 3.0),
        ("features", 2.5, None),
    ]


def test_a_layer_that_acts_first_and_objects_later_is_in_one_episode() -> None:
    story = only(
        signal("fallback", "acted", 2.0), signal("fallback", "fired", 2.2), signal("fallback", "cleared", 3.0)
    )
    (episode,) = episodes_of(story.journals()[Arm.BARE])
    assert (episode.start, episode.fired_day, episode.acted_day, episode.end) == (2.0, 2.2, 2.0, 3.0)


def test_a_layer_that_is_switched_begins_anew() -> None:
    story = only(signal("hold", "fired", 2.0), signal("hold", "fired", 3.0, mode=Mode.OBSERVE))
    found = episodes_of(story.journals()[Arm.BARE])
    assert [(one.mode, one.fired_day, one.cleared_day) for one in found] == [
        (Mode.ENFORCE, 2.0, 3.0),
        (Mode.OBSERVE, 3.0, None),
    ]


def test_a_cleared_without_anything_before_it_is_nothing() -> None:
    story = only(signal("hold", "cleared", 2.0), signal("hold", "reached", 2.0))
    assert episodes_of(story.journals()[Arm.BARE]) == ()


def test_later_events_of_one_alert_add_to_it_and_a_new_one_is_another() -> None:
    first = alert("volume", 2.0)
    story = only(
        first,
        msgspec.structs.replace(first, day=2.3, acknowledged_day=2.3),
        msgspec.structs.replace(first, day=3.0, state="resolved"),
        alert("volume", 6.0),
    )
    found = alerts_of(story.journals()[Arm.BARE])
    assert [(one.first.sent_day, one.acknowledged_day, one.resolved_day) for one in found] == [
        (2.0, 2.3, 3.0),
        (6.0, None, None),
    ]


def test_an_alert_that_is_resolved_with_another_sent_day_is_the_one_that_was_sent() -> None:
    """As by who writes for `sent_day` when the line was written; it would else be told to nobody once more."""
    first = alert("volume", 2.0)
    over = msgspec.structs.replace(first, day=5.0, sent_day=5.0, state="resolved")
    found = alerts_of(only(first, over).journals()[Arm.BARE])
    assert [(one.first.sent_day, one.resolved_day) for one in found] == [(2.0, 5.0)]


# --- what the control arm explains, and what it does not ------------------------------------------------


@pytest.mark.parametrize("since", [5.0, 2.0])
def test_what_the_control_arm_does_too_at_that_time_is_not_done_about_the_fault(since: float) -> None:
    """It may go on from before."""
    story = Story().add(Arm.DEFENDED, signal("schema", "acted", 5.0), signal("schema", "cleared", 5.2))
    story.add(Arm.CONTROL, signal("schema", "acted", since))
    assert outcome(story.score(), "schema") is Outcome.MISSED


@pytest.mark.parametrize("day", [2.0, 11.0])
def test_what_is_done_before_the_fault_or_long_after_it_is_not_done_about_it(day: float) -> None:
    story = Story().add(Arm.DEFENDED, signal("schema", "acted", day), signal("schema", "cleared", day + 0.2))
    assert outcome(story.score(), "schema") is Outcome.MISSED


def test_an_alert_that_the_control_arm_had_resolved_long_before_explains_nothing() -> None:
    first = alert("fallback", 1.5)
    story = Story(BLIND).add(Arm.CONTROL, first, msgspec.structs.replace(first, day=2.0, state="resolved"))
    assert detection(story.add(Arm.DEFENDED, alert("fallback", 5.0))) is not None


def test_of_two_that_fire_on_one_day_the_one_that_is_there_to_detect_is_first() -> None:
    story = Story().drop(Arm.DEFENDED, lambda event: isinstance(event, Signal))
    story.add(Arm.DEFENDED, signal("hold", "fired", 5.0), signal("volume", "fired", 5.0))
    found = detection(story)
    assert found is not None
    assert found.layer == "volume"


def test_of_two_of_a_kind_that_fire_on_one_day_the_one_that_spoke_first_is_first() -> None:
    spoke = (
        signal("schema", "fired", 5.0),
        signal("evaluation", "fired", 5.0),
        signal("schema", "acted", 5.0),
    )
    found = detection(Story(BLIND).add(Arm.DEFENDED, *spoke))
    assert found is not None
    assert found.layer == "schema"


def test_nothing_is_detected_of_an_effect_that_was_not_measured() -> None:
    story = Story(Told(bites=None)).add(Arm.DEFENDED, signal("schema", "fired", 5.0))
    assert detection(story) is None


# --- at the door -----------------------------------------------------------------------------------------


def test_a_refusal_by_somebody_who_is_no_layer_is_no_detection() -> None:
    def somebody(event: Event) -> Event:
        return msgspec.structs.replace(event, by="somebody") if isinstance(event, Refused) else event

    story = refuse(Story(BLIND), Arm.DEFENDED).change(Arm.DEFENDED, somebody)
    (fault,) = story.score().faults
    assert fault.prevented
    assert fault.detection is None


def test_what_was_refused_is_prevented_whatever_its_probe_says() -> None:
    story = refuse(Story(), Arm.DEFENDED).drop(Arm.DEFENDED, lambda event: isinstance(event, Effect))
    assert story.score().faults[0].prevented


def test_an_arm_that_lost_a_component_prevented_nothing() -> None:
    story = Story().change(Arm.DEFENDED, unseen)
    assert story.score().faults[0].prevented
    assert not story.add(Arm.DEFENDED, Exit(5.0, "trainer", 137, expected=False)).score().faults[0].prevented


def test_a_prevented_fault_that_nobody_saw_was_undetected_for_no_day() -> None:
    trial = Story(BLIND).change(Arm.DEFENDED, unseen).score()
    assert trial.faults[0].prevented
    assert trial.faults[0].detection is None
    assert trial.harm[Arm.DEFENDED][Harm.UNDETECTED_DAYS] == 0


# --- the effect ------------------------------------------------------------------------------------------


def effective(story: Story) -> float | None:
    return story.score().faults[0].effective_day


def test_a_probe_that_is_as_it_was_long_before_and_not_just_before_has_seen_an_effect() -> None:
    def counted(event: Event) -> Event:
        bitten = isinstance(event, Effect) and event.seen
        return msgspec.structs.replace(event, value=3.0) if bitten else event

    story = Story().change(Arm.UNDEFENDED, counted)
    story.add(Arm.UNDEFENDED, Effect(3.3, FAULT, True, 3.0), Effect(3.4, FAULT, True, 2.0))
    assert effective(story) == pytest.approx(4.2)


def test_the_probe_of_another_fault_tells_nothing_of_this_one() -> None:
    story = Story().add(Arm.UNDEFENDED, Effect(3.7, "other", True, 1.0))
    story.add(Arm.BARE, *(Effect(3.5 + nth / 10, "other", True, 1.0) for nth in range(1, 51)))
    assert effective(story) == pytest.approx(4.2)


def test_what_is_seen_at_the_very_injection_is_an_effect() -> None:
    story = Story().add(Arm.UNDEFENDED, Effect(3.5, FAULT, True, 1.0))
    assert effective(story.add(Arm.BARE, Effect(3.5, FAULT, False, 0.0))) == 3.5


def test_what_the_twin_sees_at_the_next_reading_explains_nothing() -> None:
    def once(event: Event) -> Event:
        late = isinstance(event, Effect) and 4.25 < event.day < 4.35
        return msgspec.structs.replace(event, seen=True) if late else event

    assert effective(Story().change(Arm.BARE, once)) == pytest.approx(4.2)


def test_where_the_undefended_arm_was_not_run_an_effect_unseen_in_the_defended_one_says_nothing() -> None:
    told = Told(arms=(Arm.DEFENDED, Arm.CONTROL))
    trial = Story(told).change(Arm.DEFENDED, unseen).score()
    says = next(one.says for one in trial.reasons if one.about == "effect")
    assert says == "whether late_partition bit was not measured: the undefended arm was not run"


def test_an_undefended_arm_that_lost_a_component_proves_no_effect() -> None:
    story = Story().change(Arm.DEFENDED, unseen)
    trial = story.add(Arm.UNDEFENDED, Exit(5.0, "trainer", 137, expected=False)).score()
    assert next(one.verdict for one in trial.reasons if one.about == "effect") is Verdict.VOID
    assert not trial.faults[0].prevented


# --- outcomes, further -----------------------------------------------------------------------------------


def test_an_alert_of_a_layer_without_signals_is_its_outcome() -> None:
    assert outcome(Story().add(Arm.DEFENDED, alert("fallback", 5.0)).score(), "fallback") is Outcome.DETECTED
    early = alert("fallback", 2.0)
    early_story = Story().add(Arm.DEFENDED, early, msgspec.structs.replace(early, day=2.5, state="resolved"))
    assert outcome(early_story.score(), "fallback") is Outcome.NOT_REACHED


def silent(story: Story, layer: str) -> Story:
    return story.drop(Arm.DEFENDED, lambda event: getattr(event, "layer", "") == layer)


def test_a_layer_that_goes_on_objecting_from_before_the_fault_was_reached_by_it() -> None:
    story = silent(Story(), "burn").add(Arm.DEFENDED, signal("burn", "fired", 2.0))
    assert outcome(story.score(), "burn") is Outcome.MISSED


def test_a_layer_that_is_reached_only_long_after_the_fault_was_not_reached_by_it() -> None:
    story = silent(Story(), "burn").add(Arm.DEFENDED, signal("burn", "reached", 12.0))
    assert outcome(story.score(), "burn") is Outcome.NOT_REACHED


def test_a_layer_that_acts_and_says_no_more_has_seen_it() -> None:
    story = Story(without(Told(), "hold")).add(Arm.DEFENDED, signal("schema", "acted", 5.0))
    assert outcome(story.score(), "schema") is Outcome.DETECTED


def test_whoever_acts_contains_where_nobody_asks_how_much() -> None:
    expect = {"detected": {"by": ["volume"], "within": "1d"}}
    assert outcome(Story(Told(expect=expect)).score(), "hold") is Outcome.CONTAINED


def test_a_layer_that_is_there_to_prevent_and_did_not_has_contained_nothing() -> None:
    story = Story().add(Arm.DEFENDED, signal("evaluation", "fired", 5.0), signal("evaluation", "acted", 5.0))
    assert outcome(story.score(), "evaluation") is Outcome.CONTAINED
    for index, arm in enumerate(story.plan.arms):
        kept = arm.layers["evaluation"].model_copy(update={"stages": [Stage.PREVENT]})
        story.plan.arms[index] = arm.model_copy(update={"layers": {**arm.layers, "evaluation": kept}})
    assert outcome(story.score(), "evaluation") is Outcome.DETECTED


def test_a_layer_that_is_switched_to_observe_for_a_while_is_armed() -> None:
    story = Story()
    plan = hole(story.plan, 3.0, 9.0)
    observed = plan.arms[0].holes[0].model_copy(update={"value": "observe"})
    arms = [arm.model_copy(update={"holes": [observed]}) if arm.holes else arm for arm in plan.arms]
    trial = score_trial(plan.model_copy(update={"arms": arms}), story.journals())
    assert trial.not_armed == []
    assert outcome(trial, "hold") is Outcome.CONTAINED


def test_no_outcome_is_told_of_an_arm_that_lost_a_component() -> None:
    trial = Story().add(Arm.DEFENDED, Exit(5.0, "trainer", 137, expected=False)).score()
    assert {row.outcome for row in trial.layers} == {None}
    assert trial.faults[0].detection is None


def test_a_row_tells_when_a_layer_first_spoke_about_the_fault() -> None:
    early = (signal("schema", "fired", 2.0), signal("schema", "cleared", 2.5))
    story = Story().add(Arm.DEFENDED, *early, signal("volume", "fired", 10.0))
    rows = {row.layer: row for row in story.score().layers}
    assert rows["schema"].first_fired_day is None
    assert rows["volume"].first_fired_day == 4.17


@pytest.mark.parametrize(("layer", "expect"), [("volume", "detected"), ("schema", "missed_by")])
def test_an_expected_layer_that_the_target_has_off_is_named(layer: str, expect: str) -> None:
    claims = {"detected": {"by": [layer], "within": "1d"}, "missed_by": [layer]}
    kind = Kind.DEMONSTRATION if expect == "missed_by" else Kind.DEFENDED
    told = Told(kind=kind, modes={layer: Mode.OFF}, expect={expect: claims[expect]})
    assert Story(told).score().not_armed == [layer]


# --- false alarms, further -------------------------------------------------------------------------------


def test_what_fires_at_the_very_injection_is_no_false_alarm() -> None:
    trial = Story().add(Arm.DEFENDED, signal("schema", "fired", 3.5)).score()
    assert {row.layer: row.false_alarms for row in trial.layers if row.false_alarms} == {}


@pytest.mark.parametrize(("told", "arm"), [(Told(), Arm.CONTROL), (quiet(), Arm.DEFENDED)])
def test_false_alarms_are_not_counted_in_an_arm_that_lost_a_component(told: Told, arm: Arm) -> None:
    trial = Story(told).add(arm, Exit(5.0, "trainer", 137, expected=False)).score()
    assert {row.false_alarms for row in trial.layers} == {None}


def test_a_layer_that_fires_and_refuses_has_raised_one_false_alarm() -> None:
    change = AddDataToxic("events", "mlchaos_added_column", "added_column", {})
    story = Story(quiet()).add(
        Arm.DEFENDED,
        Planned(4.0, f"{FAULT}-9", FAULT, change),
        signal("schema", "fired", 4.0),
        Refused(4.0, f"{FAULT}-9", "schema", "a column that nobody knows"),
    )
    says = next(one.says for one in story.score().reasons if one.about == "false alarms")
    assert says.startswith("1 false alarm in the defended arm")


# --- episodes, further -----------------------------------------------------------------------------------


def test_a_layer_that_is_switched_ends_what_it_said_before_though_it_says_another_thing() -> None:
    would = signal("hold", "would_have_acted", 3.0, mode=Mode.OBSERVE)
    found = episodes_of(only(signal("hold", "fired", 2.0), would).journals()[Arm.BARE])
    assert [(one.mode, one.fired_day, one.would_have_acted_day, one.cleared_day) for one in found] == [
        (Mode.ENFORCE, 2.0, None, 3.0),
        (Mode.OBSERVE, None, 3.0, None),
    ]


def test_a_layer_that_says_again_what_it_has_said_begins_anew() -> None:
    """As when its component was started anew."""
    found = episodes_of(only(signal("hold", "fired", 2.0), signal("hold", "fired", 3.0)).journals()[Arm.BARE])
    assert [(one.fired_day, one.cleared_day) for one in found] == [(2.0, 3.0), (3.0, None)]


def test_two_components_that_ask_one_layer_have_episodes_of_their_own() -> None:
    other = msgspec.structs.replace(signal("shed", "fired", 2.5), component="serving-b")
    cleared = signal("shed", "cleared", 3.0)
    found = episodes_of(only(signal("shed", "fired", 2.0), other, cleared).journals()[Arm.BARE])
    assert [(one.component, one.cleared_day) for one in found] == [("features", 3.0), ("serving-b", None)]


def test_an_episode_is_told_in_its_first_words() -> None:
    words = (signal("hold", "fired", 2.0, says="one gate red"), signal("hold", "acted", 2.1, says="held"))
    (episode,) = episodes_of(only(*words).journals()[Arm.BARE])
    assert episode.says == "one gate red"
