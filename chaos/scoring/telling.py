"""What results say of an arm and of its alerts, whichever way the trial was run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from chaos.domain.verdict import AlertResult, ArmResult
from chaos.scoring.arms import ArmView
from chaos.scoring.episodes import alerts_of
from chaos.scoring.lag import worst_lag, worst_wait
from chaos.scoring.steady import Held


def alert_results(view: ArmView) -> Iterator[AlertResult]:
    """The alerts of an arm; those of a stack that stood before are left out."""
    for story in alerts_of(view.journal):
        if story.first.sent_day >= view.plan.start_day:
            yield AlertResult(
                name=story.first.name,
                category=story.first.category,
                severity=story.first.severity,
                routed_to=story.first.routed_to,
                arm=view.arm,
                sent_day=story.first.sent_day,
                acknowledged_day=story.acknowledged_day,
                answer_told=view.plan.answers_told,
                about=story.first.about,
            )


def arm_result(view: ArmView, before: Held, after: Held) -> ArmResult:
    """An arm; its journal's path is relative to the run's folder."""
    path = view.journal.path
    return ArmResult(
        arm=view.arm,
        journal=PurePosixPath(path.parent.name, path.name).as_posix(),
        steady_before=before.ok,
        steady_after=after.ok,
        lag_days=worst_lag(view),
        wait_ms=worst_wait(view),
        interrupted=view.journal.interrupted,
    )
