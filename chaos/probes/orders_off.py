"""How far a component's own metric is from what it usually is, to either side."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import MeaninglessChange
from chaos.contracts import Readable
from chaos.domain.target import TargetSpec
from chaos.probes.metric import Metric

MOST = 308.0
"""As many as there are between numbers: for a sample that is 0, of the other sign or not finite."""


@dataclass(frozen=True)
class OrdersOff:
    """Orders of magnitude between one sample of a component's metrics and its `usual` value, above 0.

    0 where it is as usual, 1 where it is ten times as large, or a tenth.
    """

    name: ClassVar[str] = "orders_off"
    component: str
    sample: str
    usual: float

    def refuse(self, spec: TargetSpec) -> None:
        """The sample is one that can be read, and is usually above 0."""
        Metric(self.component, self.sample).refuse(spec)
        if not 0 < self.usual < math.inf:
            raise MeaninglessChange("usual", "the usual value must be above 0, and finite")

    def read(self, target: Readable) -> float | None:
        """A number from 0 to 308; None where the component or the sample is silent."""
        value = Metric(self.component, self.sample).read(target)
        if value is None:
            return None
        ratio = value / self.usual
        return min(MOST, abs(math.log10(ratio))) if 0 < ratio < math.inf else MOST
