"""The alert that always fires: where it was not heard, silence tells nothing."""

from __future__ import annotations

import pytest
from msgspec import structs

from chaos.domain.event import Alert, Event
from chaos.domain.scenario import Arm
from chaos.domain.verdict import Reason, TrialResult, Verdict
from chaos.scoring.trial import score_trial
from tests.journals import EXPECT, Story, Told, quiet

WATCHDOG = "Watchdog"


def told(day: float, state: str) -> Alert:
    return structs.replace(alert(WATCHDOG, 0.1), day=day, state=state)


def alert(name: str, day: float) -> Alert:
    return Alert(day, "alertmanager", name, name, "site", "page", "oncall", "firing", day)


def watched(told: Told, *, layers: bool = True, start_day: float = 0.0) -> Story:
    """A trial of a target that has a watchdog; nobody has heard it so far."""
    story = Story(told)
    for index, arm in enumerate(story.plan.arms):
        changes = {"watchdog": WATCHDOG, "start_day": start_day, **({} if layers else {"layers": {}})}
        story.plan.arms[index] = arm.model_copy(update=changes)
        if not layers:
            story.drop(arm.arm, spoken)
    return story


def spoken(event: Event) -> bool:
    return hasattr(event, "layer")


def heard(story: Story) -> Story:
    for arm in story.plan.arms:
        story.add(arm.arm, alert(WATCHDOG, 0.1))
    return story


def reason(trial: TrialResult, about: str) -> Reason:
    return next(one for one in trial.reasons if one.about == about)


def test_a_target_without_layers_passes_a_quiet_run_in_which_only_its_watchdog_fires() -> None:
    trial = heard(watched(quiet(false_alarms=0), layers=False)).score()
    assert trial.verdict is Verdict.PASSED
    assert reason(trial, "false alarms").says == "no false alarms in the defended arm"
    assert "budget false_block_days" not in [one.about for one in trial.reasons]
    assert trial.alerts == []


def test_one_whose_other_alert_fires_fails_it() -> None:
    story = heard(watched(quiet(false_alarms=0), layers=False))
    trial = story.add(Arm.DEFENDED, alert("SiteErrors", 5.0)).score()
    assert trial.verdict is Verdict.FAILED
    assert "SiteErrors on day 5.00" in reason(trial, "false alarms").says


@pytest.mark.parametrize("layers", [True, False])
def test_where_the_watchdog_was_not_heard_nothing_is_judged(layers: bool) -> None:
    trial = watched(quiet(false_alarms=0), layers=layers).score()
    assert trial.verdict is Verdict.VOID
    assert "never heard Watchdog, the alert that always fires" in reason(trial, "false alarms").says


def test_a_fault_that_no_alert_was_sent_of_is_missed_only_if_alerts_are_heard() -> None:
    wanted = {**EXPECT, "alerted": {"name": "SiteErrors", "within": "1d"}}
    deaf = reason(watched(Told(expect=wanted)).score(), "alerted")
    assert (deaf.verdict, "never heard Watchdog" in deaf.says) == (Verdict.VOID, True)
    missed = reason(heard(watched(Told(expect=wanted))).score(), "alerted")
    assert (missed.verdict, "no alert with name SiteErrors" in missed.says) == (Verdict.FAILED, True)
    assert WATCHDOG not in missed.says


def test_a_watchdog_of_another_name_is_an_alert_as_any_other() -> None:
    story = heard(watched(quiet(false_alarms=0))).add(Arm.DEFENDED, alert("DeadMan", 5.0))
    assert reason(story.score(), "false alarms").verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ([("firing", 1.9)], ""),
        ([("firing", 2.1)], "on day 2.10 first: too late"),
        ([("resolved", 0.1)], "never heard"),
        ([("firing", 0.1), ("resolved", 5.0)], "until day 5.00 only"),
        ([("firing", 0.1), ("resolved", 5.0), ("firing", 5.1)], ""),
        ([("firing", 0.1), ("resolved", 14.2)], ""),
    ],
    ids=["in time", "late", "its end alone", "not to the end", "back again", "as the arm is drained"],
)
def test_it_must_be_heard_in_time_and_to_the_end(events: list[tuple[str, float]], says: str) -> None:
    story = watched(quiet(false_alarms=0), layers=False)
    for arm in story.plan.arms:
        story.add(arm.arm, *(told(day, state) for state, day in events))
    trial = story.score()
    assert trial.verdict is (Verdict.VOID if says else Verdict.PASSED)
    assert says in reason(trial, "false alarms").says


@pytest.mark.parametrize(
    ("defended", "control", "verdict"),
    [
        ([("firing", 3.4)], [("firing", 3.4)], Verdict.FAILED),
        ([("firing", 3.6)], [("firing", 0.1)], Verdict.VOID),
        ([("firing", 0.1)], [("firing", 3.6)], Verdict.VOID),
        ([("firing", 0.1), ("resolved", 3.0)], [("firing", 0.1)], Verdict.VOID),
        ([("firing", 0.1), ("resolved", 4.0)], [("firing", 0.1)], Verdict.FAILED),
        ([("firing", 0.1)], [("firing", 0.1), ("resolved", 4.0)], Verdict.VOID),
    ],
    ids=["in time", "late", "late in the control arm", "gone before", "gone by the fault", "gone without it"],
)
def test_with_a_fault_it_must_be_heard_before_it_and_without_one_all_the_time(
    defended: list[tuple[str, float]], control: list[tuple[str, float]], verdict: Verdict
) -> None:
    """An alert that was not sent then is missed: that nothing is heard any more may be the fault's own doing."""
    story = watched(Told(expect={**EXPECT, "alerted": {"name": "SiteErrors", "within": "1d"}}))
    for arm in story.plan.arms:
        events = defended if arm.arm is Arm.DEFENDED else control
        story.add(arm.arm, *(told(day, state) for state, day in events))
    assert reason(story.score(), "alerted").verdict is verdict


def test_one_that_is_told_to_two_receivers_is_heard_while_one_of_them_is() -> None:
    story = watched(quiet(false_alarms=0), layers=False)
    for arm in story.plan.arms:
        first, second = told(0.1, "firing"), structs.replace(told(0.1, "firing"), id="other")
        story.add(arm.arm, first, second, told(5.0, "resolved"))
    assert story.score().verdict is Verdict.PASSED


def standing(story: Story) -> TrialResult:
    plan = story.plan.model_copy(update={"into": "game", "arms": [story.plan.arms[0]]})
    return score_trial(plan, {Arm.DEFENDED: story.journals()[Arm.DEFENDED]})


def test_on_a_stack_that_stands_it_must_be_heard_too() -> None:
    deaf = standing(watched(quiet(false_alarms=0), start_day=0.01))
    assert deaf.verdict is Verdict.VOID
    assert "never heard Watchdog" in reason(deaf, "arm").says
    assert standing(heard(watched(quiet(false_alarms=0), layers=False))).verdict is Verdict.PASSED
