"""The alert that always fires: where it was not heard, silence tells nothing."""

from __future__ import annotations

import pytest

from chaos.domain.event import Alert, Event
from chaos.domain.scenario import Arm
from chaos.domain.verdict import Reason, TrialResult, Verdict
from chaos.scoring.trial import score_trial
from tests.journals import EXPECT, Story, Told, quiet

WATCHDOG = "Watchdog"


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
    assert "never heard the alert Watchdog, which always fires" in reason(trial, "false alarms").says


def test_a_fault_that_no_alert_was_sent_of_is_missed_only_if_alerts_are_heard() -> None:
    wanted = {**EXPECT, "alerted": {"name": "SiteErrors", "within": "1d"}}
    deaf = reason(watched(Told(expect=wanted)).score(), "alerted")
    assert (deaf.verdict, "never heard the alert Watchdog" in deaf.says) == (Verdict.VOID, True)
    missed = reason(heard(watched(Told(expect=wanted))).score(), "alerted")
    assert (missed.verdict, "no alert with name SiteErrors" in missed.says) == (Verdict.FAILED, True)
    assert WATCHDOG not in missed.says


def test_a_watchdog_of_another_name_is_an_alert_as_any_other() -> None:
    story = heard(watched(quiet(false_alarms=0))).add(Arm.DEFENDED, alert("DeadMan", 5.0))
    assert reason(story.score(), "false alarms").verdict is Verdict.FAILED


def standing(story: Story) -> TrialResult:
    plan = story.plan.model_copy(update={"into": "game", "arms": [story.plan.arms[0]]})
    return score_trial(plan, {Arm.DEFENDED: story.journals()[Arm.DEFENDED]})


def test_on_a_stack_that_stands_the_watchdog_must_be_heard_again_for_silence_to_count() -> None:
    """It was told of as the stack came up, which is in no journal of a run against it."""
    deaf = standing(watched(quiet(false_alarms=0), layers=False, start_day=0.01))
    assert reason(deaf, "false alarms").verdict is Verdict.VOID
    assert "Watchdog, which always fires, was not heard" in reason(deaf, "false alarms").says
    assert "arm" not in [one.about for one in deaf.reasons]
    trial = standing(heard(watched(quiet(false_alarms=0), layers=False, start_day=0.01)))
    assert trial.verdict is Verdict.PASSED
