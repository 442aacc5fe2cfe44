"""A machine that cannot keep up makes a trial void: what was late is then not the system under test."""

from __future__ import annotations

from collections.abc import Mapping

from chaos.domain.event import Lag
from chaos.domain.scenario import Arm
from chaos.scoring.arms import ArmView

LIMIT_DAYS = 0.1
SPAN_DAYS = 0.25


def worst_lag(view: ArmView) -> float | None:
    """The largest lateness in days, of any component that no fault names; None where none was reported."""
    return max((lag.lag_days for lag in _counted(view)), default=None)


def busy(views: Mapping[Arm, ArmView]) -> str:
    """Why the lag makes the trial void; empty where it does not."""
    for arm, view in views.items():
        late = [lag for lag in _counted(view) if lag.lag_days > LIMIT_DAYS and lag.over_days > SPAN_DAYS]
        if late:
            worst = max(late, key=lambda lag: lag.lag_days)
            return (
                f"the machine was too busy: in the {arm.value} arm {worst.component} ran up to "
                f"{worst.lag_days:.2f} d late for {worst.over_days:.2f} d around day {worst.day:.2f} "
                f"(allowed: {LIMIT_DAYS:g} d for {SPAN_DAYS:g} d)"
            )
    return ""


def _counted(view: ArmView) -> list[Lag]:
    named = {component for span in view.spans for component in span.components}
    return [lag for lag in view.journal.of(Lag) if lag.component not in named]
