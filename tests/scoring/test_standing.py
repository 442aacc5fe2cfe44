"""What can be said of a run into a stack that stands, and what cannot."""

from __future__ import annotations

import pytest

from chaos.domain.event import Effect, Event, Lag, Reading
from chaos.domain.scenario import Arm, Kind
from chaos.domain.verdict import Reason, TrialResult, Verdict
from chaos.scoring.trial import score_trial
from tests.journals import Story, Told, without

DETECTED = {"detected": {"by": ["volume"], "within": "1d"}}
MISSED = {"missed_by": ["schema"]}


def standing(story: Story, *, looked_before: bool | None = False) -> TrialResult:
    """The defended arm alone, as of a stack that stood before; what its probe saw before the injection."""
    plan = story.plan.model_copy(update={"into": "game", "arms": [story.plan.arms[0]]})
    story.add(
        Arm.DEFENDED, *(Effect(3.5 - nth / 10, "late_partition", looked_before, None) for nth in (1, 2))
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
