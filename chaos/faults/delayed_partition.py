"""Deliveries of a data link come later than usual, and before they are due."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Data, MeaninglessChange, data_link
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.durations import Days
from chaos.domain.target import DataLink, TargetSpec


@dataclass(frozen=True)
class DelayedPartition:
    """Delay each partition by `delay_days`, and still keep what its link promises.

    Benign: it must neither page nor block. Source: Papasian & Underwood, OpML 2020: an integrity requirement
    says how late data may be.
    """

    name: ClassVar[str] = "delayed_partition"
    needs: ClassVar[tuple[type[Capability], ...]] = (Data,)
    benign: ClassVar[bool] = True
    link: str
    delay_days: Days

    def refuse(self, spec: TargetSpec) -> None:
        """From the moment at which it is due on it would be late, which is another fault."""
        link = spec.links[data_link(spec, self.link)]
        if isinstance(link, DataLink) and not 0 < self.delay_days < link.due:
            raise MeaninglessChange(
                "delay_days", f"a delay must be above 0d, and below the {link.due:g}d of its due"
            )

    def changes(self, target: Usable) -> Iterator[Change]:
        """One `late` toxic."""
        yield target.use(Data).toxic(self.link, "late", held_days=self.delay_days)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """A partition was on its way for so long."""
        return EffectCheck("delivery_days", {"link": self.link}, at_least=self.delay_days)
