"""Deliveries of a data link are held back for days, as when an upstream job is stuck."""

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
class LatePartition:
    """Hold back the partitions of `held_days` on one data link, then deliver them in order.

    Source: Hellström's K9s, where data that is late must alert the team and delay retraining.
    """

    name: ClassVar[str] = "late_partition"
    needs: ClassVar[tuple[type[Capability], ...]] = (Data,)
    link: str
    held_days: Days

    @property
    def lasts_days(self) -> float:
        """As long as partitions are held."""
        return self.held_days

    def refuse(self, spec: TargetSpec) -> None:  # noqa: ARG002
        """A partition held for less than a day is not late."""
        if self.held_days < 1:
            raise MeaninglessChange("held_days", "a partition held for less than a day is not late")

    def changes(self, target: Usable) -> Iterator[Change]:
        """One `late` toxic."""
        yield target.use(Data).toxic(self.link, "late", held_days=self.held_days)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """A partition that was due is not at the sink."""
        return EffectCheck("partitions_overdue", {"link": self.link}, at_least=1)
