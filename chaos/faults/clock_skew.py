"""A part of the writers has a clock that is wrong, so that events come from the future or from the past."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Data, MeaninglessChange
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.durations import Days
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class ClockSkew:
    """Put the times in `column` ahead by `ahead_days`, in a `share` of the rows of each partition.

    Source: Papasian & Underwood, OpML 2020.
    """

    name: ClassVar[str] = "clock_skew"
    needs: ClassVar[tuple[type[Capability], ...]] = (Data,)
    link: str
    column: str
    ahead_days: Days
    share: float = 1.0

    def refuse(self, spec: TargetSpec) -> None:  # noqa: ARG002
        """A clock that is right is no fault."""
        if self.ahead_days <= 0:
            raise MeaninglessChange("ahead_days", "a clock that is not ahead is no fault")

    def changes(self, target: Usable) -> Iterator[Change]:
        """One `skew` toxic."""
        yield target.use(Data).toxic(
            self.link, "skew", column=self.column, by=self.ahead_days, share=self.share
        )

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """A partition came that is not the one that was written."""
        return EffectCheck("partitions_altered", {"link": self.link}, at_least=1)
