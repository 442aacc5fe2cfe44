"""Deliveries of a data link lack rows, or a whole shard, as when one of several writers is down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Data, MeaninglessChange
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class PartialPartition:
    """Lose a `share` of each partition's rows, or of those whose column `where` holds `equals`.

    Source: Papasian & Underwood, OpML 2020: make completeness a stated requirement of the data.
    """

    name: ClassVar[str] = "partial_partition"
    needs: ClassVar[tuple[type[Capability], ...]] = (Data,)
    link: str
    share: float = 1.0
    where: str = ""
    equals: int = 0

    def refuse(self, spec: TargetSpec) -> None:  # noqa: ARG002
        """A partition without any row is not a partial one."""
        if self.share >= 1 and not self.where:
            raise MeaninglessChange(
                "share", "nothing would be left: name a share below 1, or a shard by `where`"
            )

    def changes(self, target: Usable) -> Iterator[Change]:
        """One `drop` toxic."""
        yield target.use(Data).toxic(
            self.link, "drop", share=self.share, where=self.where, equals=self.equals
        )

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """A partition came that is not the one that was written."""
        return EffectCheck("partitions_altered", {"link": self.link}, at_least=1)
