"""Fewer shoppers come, as on a holiday."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, MeaninglessChange, Traffic
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class HolidayDip:
    """Multiply the arrivals by `level`, below 1.

    Benign: it must neither page nor block. Source: Papasian & Underwood, OpML 2020.
    """

    name: ClassVar[str] = "holiday_dip"
    needs: ClassVar[tuple[type[Capability], ...]] = (Traffic,)
    level: float

    def refuse(self, spec: TargetSpec) -> None:  # noqa: ARG002
        """A dip is fewer than usual, and not nobody."""
        if not 0.1 <= self.level <= 0.95:
            raise MeaninglessChange("level", "a dip leaves between 0.1 and 0.95 of the usual arrivals")

    def changes(self, target: Usable) -> Iterator[Change]:
        """The traffic's own setting."""
        yield target.use(Traffic).surge(self.level)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """Fewer views come than in the days before, half way to what is meant at least."""
        return EffectCheck("traffic_ratio", {}, at_most=(1 + self.level) / 2, lasting_days=0.125)
