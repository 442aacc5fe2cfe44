"""A clock that was ahead and has been set right: what was noted meanwhile is of days yet to come."""

from __future__ import annotations

from reference_stack.ports import Runtime

_NOTICED_DAYS = 0.01
"""Less is what a process that had to wait between two looks takes for it, and hides nothing for long."""


class SetBack:
    """Watches the calendar against the time that really passes."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._ahead_days = self._ahead()

    def days(self) -> float:
        """By how much the calendar has been set back since this was last asked; 0 where it has not been."""
        before, self._ahead_days = self._ahead_days, self._ahead()
        back = before - self._ahead_days
        return back if back > _NOTICED_DAYS else 0.0

    def _ahead(self) -> float:
        return self._runtime.day() - self._runtime.now() / self._runtime.day_seconds


def earlier(noted_day: float, day: float, back_days: float) -> float:
    """When something was noted, by a calendar that has been set back: no later than now."""
    return min(noted_day - back_days, day) if noted_day > day else noted_day
