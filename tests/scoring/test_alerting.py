"""Where an alert went: judged from the alerts of the defended arm, against those of the control arm."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from chaos.domain.event import Alert
from chaos.domain.scenario import Alerted, Arm
from chaos.domain.verdict import Reason, Verdict
from tests.journals import EXPECT, Story, Told


def alert(sent: float, acknowledged: float | None = None, **fields: Any) -> Alert:
    first = Alert(
        day=sent,
        component="oncall",
        id="1",
        name="freshness",
        category="ML system",
        severity="page",
        routed_to="ml",
        state="firing",
        sent_day=sent,
        acknowledged_day=acknowledged,
        about="features",
    )
    return msgspec.structs.replace(first, **fields)


def story(**alerted: Any) -> Story:
    wanted = {"severity": "page", "within": "1d", **alerted}
    return Story(Told(expect={**EXPECT, "alerted": wanted})).drop(
        Arm.DEFENDED, lambda event: isinstance(event, Alert)
    )


def judged(told: Story) -> Reason:
    return next(reason for reason in told.score().reasons if reason.about == "alerted")


def test_an_alert_that_fits_in_time_passes_and_is_named() -> None:
    reason = judged(story(routed_to="ml", component="features").add(Arm.DEFENDED, alert(4.3)))
    assert reason.verdict is Verdict.PASSED
    assert "freshness (page, ML system) about features to ml" in reason.says
    assert "day 4.30, 0.10 d after the effect" in reason.says


@pytest.mark.parametrize(
    "fields",
    [
        {"routed_to": "platform"},
        {"category": "model"},
        {"severity": "ticket"},
        {"about": "trainer"},
        {"name": "volume"},
    ],
)
def test_an_alert_that_went_elsewhere_fails_and_is_shown(fields: dict[str, str]) -> None:
    told = story(name="freshness", category="ML system", routed_to="ml", component="features")
    reason = judged(told.add(Arm.DEFENDED, alert(4.3, **fields)))
    assert reason.verdict is Verdict.FAILED
    assert "instead: " in reason.says
    assert next(iter(fields.values())) in reason.says


def test_no_alert_at_all_fails() -> None:
    reason = judged(story())
    assert reason.verdict is Verdict.FAILED
    assert "no other alert was sent either" in reason.says


@pytest.mark.parametrize(("sent", "verdict"), [(5.2, Verdict.PASSED), (5.3, Verdict.FAILED)])
def test_delay_counts_from_the_verified_effect(sent: float, verdict: Verdict) -> None:
    assert judged(story().add(Arm.DEFENDED, alert(sent))).verdict is verdict


def test_an_alert_that_the_control_arm_sent_too_is_not_about_the_fault() -> None:
    told = story().add(Arm.DEFENDED, alert(4.3))
    told.add(Arm.CONTROL, alert(4.5, about="trainer"))
    assert judged(told).verdict is Verdict.PASSED
    assert judged(told.add(Arm.CONTROL, alert(4.6))).verdict is Verdict.FAILED


def test_an_alert_before_the_injection_is_not_about_the_fault() -> None:
    assert judged(story().add(Arm.DEFENDED, alert(3.4))).verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("acknowledged", "verdict", "says"),
    [
        (4.6, Verdict.PASSED, "answered 0.30 d later"),
        (5.0, Verdict.FAILED, "answered 0.70 d later"),
        (None, Verdict.FAILED, "nobody answered"),
    ],
)
def test_somebody_must_have_answered_it(acknowledged: float | None, verdict: Verdict, says: str) -> None:
    reason = judged(story(acknowledged_within="0.5d").add(Arm.DEFENDED, alert(4.3, acknowledged)))
    assert reason.verdict is verdict
    assert says in reason.says


def test_without_a_control_arm_it_is_void() -> None:
    base = story()
    told = Story(replace(base.told, arms=(Arm.DEFENDED, Arm.UNDEFENDED, Arm.BARE)))
    assert judged(told.add(Arm.DEFENDED, alert(4.3))).verdict is Verdict.VOID


@pytest.mark.parametrize(("acknowledged", "verdict"), [(None, Verdict.PASSED), (4.7, Verdict.FAILED)])
def test_that_nobody_answers_can_be_asked_too(acknowledged: float | None, verdict: Verdict) -> None:
    reason = judged(story(unanswered=True).add(Arm.DEFENDED, alert(4.3, acknowledged)))
    assert reason.verdict is verdict
    assert reason.says.endswith("nobody answered" if acknowledged is None else "answered on day 4.70")


def test_answered_in_time_and_not_at_all_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="exclude each other"):
        Alerted.model_validate(
            {"name": "hold", "within": "1d", "acknowledged_within": "1d", "unanswered": True}
        )


@pytest.mark.parametrize(
    ("sent", "verdict"),
    [(3.4, Verdict.FAILED), (3.5, Verdict.PASSED), (9.5, Verdict.PASSED), (9.6, Verdict.FAILED)],
)
def test_an_alert_counts_from_the_injection_until_a_day_after_the_undo(sent: float, verdict: Verdict) -> None:
    assert judged(story(within="6d").add(Arm.DEFENDED, alert(sent))).verdict is verdict


@pytest.mark.parametrize(
    ("control_day", "verdict"),
    [(4.25, Verdict.PASSED), (4.5, Verdict.FAILED), (5.5, Verdict.FAILED), (5.75, Verdict.PASSED)],
)
def test_the_control_arm_explains_an_alert_within_half_a_day(control_day: float, verdict: Verdict) -> None:
    told = story().add(Arm.DEFENDED, alert(5.0)).add(Arm.CONTROL, alert(control_day))
    assert judged(told).verdict is verdict


def test_the_first_alert_that_fits_is_judged_in_the_order_of_sending() -> None:
    told = story().add(Arm.DEFENDED, alert(4.3, name="volume"), alert(6.0, name="burn", id="2"))
    reason = judged(told)
    assert reason.verdict is Verdict.PASSED
    assert reason.says.startswith("volume (page, ML system) about features to ml was sent on day 4.30")


def test_an_alert_ahead_of_the_effect_has_no_delay() -> None:
    assert "day 3.60, 0.00 d after the effect" in judged(story().add(Arm.DEFENDED, alert(3.6))).says


def test_of_several_alerts_that_fit_the_quickest_answer_counts() -> None:
    told = story(acknowledged_within="0.5d")
    told.add(Arm.DEFENDED, alert(4.3, 6.0), alert(4.4, 4.6, name="volume", id="2"))
    reason = judged(told)
    assert reason.verdict is Verdict.PASSED
    assert "answered 0.20 d later" in reason.says


@pytest.mark.parametrize("asked", [{"acknowledged_within": "0.5d"}, {"unanswered": True}])
def test_an_alert_that_is_too_late_is_not_made_good_by_how_it_is_answered(asked: dict[str, Any]) -> None:
    acknowledged = None if "unanswered" in asked else 6.1
    assert judged(story(**asked).add(Arm.DEFENDED, alert(6.0, acknowledged))).verdict is Verdict.FAILED
