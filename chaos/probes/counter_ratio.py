"""How much one counter grows for another's growth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from chaos.capabilities import component_of
from chaos.contracts import Readable
from chaos.domain.target import TargetSpec


@dataclass
class CounterRatio:
    """Growth of `counter` ÷ growth of `per` since the reading before; both are metrics of `component`."""

    name: ClassVar[str] = "counter_ratio"
    component: str
    counter: str
    per: str
    _before: tuple[float, float] | None = field(default=None, init=False, repr=False, compare=False)

    def refuse(self, spec: TargetSpec) -> None:
        """A component that is not there has no counters."""
        component_of(spec, self.component)

    def read(self, target: Readable) -> float | None:
        """A ratio; None at the first reading, where nothing grew, or where the component is silent."""
        samples = target.metrics(self.component)
        if samples is None or self.per not in samples:
            return None
        # A counter that is not there has not counted anything yet.
        now = samples.get(self.counter, 0.0), samples[self.per]
        before, self._before = self._before, now
        if before is None or now[1] <= before[1] or now[0] < before[0]:
            return None
        return (now[0] - before[0]) / (now[1] - before[1])
