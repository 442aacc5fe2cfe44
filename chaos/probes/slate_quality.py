"""What the slates are worth to those who see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import BeyondTarget
from chaos.contracts import Readable
from chaos.domain.durations import Span
from chaos.domain.target import CapabilityName, TargetSpec
from chaos.probes.recent import recent_rows


@dataclass(frozen=True)
class SlateQuality:
    """True value of the slates served, as a share of that of the best slates for the same views.

    Only for a target that tells the truth about its users; in a healthy default world it is about 0.6.
    """

    name: ClassVar[str] = "slate_quality"
    over: Span = 0.25

    def refuse(self, spec: TargetSpec) -> None:
        """A target that does not know the truth has no such value."""
        if CapabilityName.TRUTH not in spec.capabilities:
            says = f"target {spec.target!r} does not tell what its slates are truly worth (capability truth)"
            raise BeyondTarget(CapabilityName.TRUTH.value, says)

    def read(self, target: Readable) -> float | None:
        """A share; None where no view was answered."""
        served = best = 0.0
        for row in recent_rows(target, self.over):
            served += row.served_value
            best += row.best_value
        return None if best == 0.0 else served / best
