"""Duty cycles: processes that are stopped and let go on in turn, whichever driver does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class _Cycle:
    stopped_days: float
    running_days: float
    stopped: bool
    due_day: float


class DutyCycles:
    """Stops and continues components by `pause` and `resume`, when its driver says that the time has come.

    A component that has no process any more, by `running`, is left alone.
    """

    def __init__(
        self,
        day_seconds: float,
        pause: Callable[[str], object],
        resume: Callable[[str], object],
        running: Callable[[str], bool],
    ) -> None:
        self._ms_days = 1.0 / (1000.0 * day_seconds)
        self._pause = pause
        self._resume = resume
        self._running = running
        self._cycles: dict[str, _Cycle] = {}

    def begin(self, component: str, stopped_ms: float, running_ms: float, day: float) -> None:
        """Stop a component for `stopped_ms`, let it run for `running_ms`, and so on."""
        stopped, runs = stopped_ms * self._ms_days, running_ms * self._ms_days
        self._cycles[component] = _Cycle(stopped, runs, stopped=True, due_day=day + stopped)
        self._turn(component, stopped=True)

    def end(self, component: str) -> None:
        """Let it run for good."""
        cycle = self._cycles.get(component)
        if cycle is not None and cycle.stopped:
            # Where this fails it starves on, and the undo is tried again.
            self._turn(component, stopped=False)
        self._cycles.pop(component, None)

    @property
    def due_day(self) -> float | None:
        """The next moment at which something is to be done."""
        return min((cycle.due_day for cycle in self._cycles.values()), default=None)

    def turn(self, day: float) -> None:
        """Do what is due by `day`; turns that were missed are left out."""
        for component, cycle in self._cycles.items():
            if cycle.due_day > day + 1e-9:
                continue
            cycle.stopped = not cycle.stopped
            length = cycle.stopped_days if cycle.stopped else cycle.running_days
            cycle.due_day = max(cycle.due_day, day - length) + length
            self._turn(component, stopped=cycle.stopped)

    def _turn(self, component: str, *, stopped: bool) -> None:
        if self._running(component):
            (self._pause if stopped else self._resume)(component)
