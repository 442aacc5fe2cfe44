"""Alerts that can be put down to a fault, and where they went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chaos.domain.event import Alert
from chaos.domain.scenario import Alerted, Arm
from chaos.scoring.arms import ArmView, FaultSpan
from chaos.scoring.detection import TAIL_DAYS
from chaos.scoring.episodes import SAME_TIME_DAYS, AlertStory, alerts_of


def alerts_about(views: Mapping[Arm, ArmView], span: FaultSpan) -> list[AlertStory] | None:
    """Alerts sent in the defended arm from the injection on and not at that time in the control arm.

    In the order of their sending. None where one of the two arms was not measured.
    """
    defended, control = views.get(Arm.DEFENDED), views.get(Arm.CONTROL)
    if defended is None or control is None or defended.trouble or control.trouble:
        return None
    theirs = alerts_of(control.journal)
    return [
        story
        for story in alerts_of(defended.journal)
        if span.start <= story.first.sent_day <= span.end + TAIL_DAYS and not _also_sent(theirs, story.first)
    ]


def _also_sent(theirs: Iterable[AlertStory], alert: Alert) -> bool:
    """Whether the control arm had the same alert about the same thing within half a day."""
    return any(
        (story.first.name, story.first.about) == (alert.name, alert.about)
        and abs(story.first.sent_day - alert.sent_day) <= SAME_TIME_DAYS
        for story in theirs
    )


def fits(wanted: Alerted, alert: Alert) -> bool:
    """Whether an alert is as an expectation describes it."""
    found = {
        "name": alert.name,
        "category": alert.category,
        "severity": alert.severity,
        "routed_to": alert.routed_to,
        "component": alert.about,
    }
    return all(found[field] == value for field, value in wanted.wanted.items())


def told(alert: Alert) -> str:
    """An alert in a few words: `volume (page, ML system) about features to ml`."""
    about = f" about {alert.about}" if alert.about else ""
    return f"{alert.name}{alert.filed}{about} to {alert.routed_to}"
