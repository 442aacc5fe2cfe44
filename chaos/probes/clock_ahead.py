"""How far a component's clock is from the calendar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import component_of
from chaos.contracts import Readable
from chaos.domain.target import TargetSpec

SAMPLE = "calendar_day"


@dataclass(frozen=True)
class ClockAhead:
    """How many days a component's own calendar, its metric `calendar_day`, is ahead; behind is below 0.

    A reading may be a quarter of a day old, and so that much too low.
    """

    name: ClassVar[str] = "clock_ahead"
    component: str

    def refuse(self, spec: TargetSpec) -> None:
        """A component that is not there has no clock."""
        component_of(spec, self.component)

    def read(self, target: Readable) -> float | None:
        """Days; None where the component is silent or does not say its day."""
        samples = target.metrics(self.component)
        day = None if samples is None else samples.get(SAMPLE)
        return None if day is None else day - target.day()
