"""Days that came provisionally are all delivered again, as was announced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Data
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class PlannedBackfill:
    """Deliver partitions in a provisional form (the same rows, unsorted); at the end of its span all of them
    come again at once, in their final form.

    Benign: it must neither page nor block. Source: Papasian & Underwood, OpML 2020, on pipeline backlogs.
    """

    name: ClassVar[str] = "planned_backfill"
    needs: ClassVar[tuple[type[Capability], ...]] = (Data,)
    link: str

    def changes(self, target: Usable) -> Iterator[Change]:
        """One `reorder` toxic; when it goes, what it changed is delivered again as it was written."""
        yield target.use(Data).toxic(self.link, "reorder")

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """A partition came that is not, byte for byte, the one that was written."""
        return EffectCheck("partitions_altered", {"link": self.link}, at_least=1)
