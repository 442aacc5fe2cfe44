"""Whose signal can be put down to the fault, and what became of each layer."""

from __future__ import annotations

import msgspec
import pytest

from chaos.domain.event import Alert, Applied, Effect, Event, Planned, Prepared, Refused, Undone
from chaos.domain.layer import Mode, Outcome
from chaos.domain.plan import PlannedHole, TrialPlan
from chaos.domain.scenario import Arm, Kind
from chaos.domain.verdict import Detection, TrialResult, Verdict
from chaos.scoring.episodes import alerts_of, episodes_of
from chaos.scoring.trial import score_trial
from tests.journals import DAYS, Story, Told, signal, without

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
    ("day", "seen"), [(3.4, False), (3.6, True), (8.4, True), (9.4, True), (9.6, False), (13.0, False)]
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
    assert outcome(trial, "hold") is Outcome.PREVENTED
    assert "after the injection" in next(one.says for one in trial.reasons if one.about == "detected")


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
    [(3.0, 9.0, False), (3.0, None, False), (5.0, 6.0, True), (0.0, 3.0, True)],
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
