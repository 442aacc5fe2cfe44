"""Deliveries of a data link come late, and no later than the link's integrity requirement allows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Data, MeaninglessChange, data_link
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.durations import Days
from chaos.domain.target import DataLink, TargetSpec

ROOM_DAYS = 0.06
"""So long a partition may take from its midnight to its reader without any delay."""


@dataclass(frozen=True)
class DelayedPartition:
    """Deliver each partition `delay_days` after it was written, and still keep what its link promises.

    Benign: it must neither page nor block. Source: Papasian & Underwood, OpML 2020: an integrity requirement
    says how late data may be.
    """

    name: ClassVar[str] = "delayed_partition"
    needs: ClassVar[tuple[type[Capability], ...]] = (Data,)
    link: str
    delay_days: Days

    def refuse(self, spec: TargetSpec) -> None:
        """Beyond what the requirement allows it would be missing, which is another fault."""
        link = spec.links[data_link(spec, self.link)]
        if not isinstance(link, DataLink):
            return
        missing = link.due + ((link.integrity and link.integrity.max_late) or 0.0)
        allowed = missing - ROOM_DAYS
        if not 0 < self.delay_days <= allowed:
            says = f"it is missing at {missing:g}d, and is written, handed on and read besides"
            raise MeaninglessChange("delay_days", f"must be above 0d, and at most {allowed:g}d: {says}")

    def changes(self, target: Usable) -> Iterator[Change]:
        """One `late` toxic."""
        yield target.use(Data).toxic(self.link, "late", held_days=self.delay_days)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """A partition was on its way for so long."""
        return EffectCheck("delivery_days", {"link": self.link}, at_least=self.delay_days)
