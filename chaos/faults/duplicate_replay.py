"""Rows of a data link are delivered more than once, as at-least-once delivery does after a restart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Data
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class DuplicateReplay:
    """Deliver a `share` of the rows of each partition `copies` times.

    Source: Papasian & Underwood, OpML 2020: at-least-once delivery between systems.
    """

    name: ClassVar[str] = "duplicate_replay"
    needs: ClassVar[tuple[type[Capability], ...]] = (Data,)
    link: str
    copies: int = 2
    share: float = 1.0
    where: str = ""
    equals: int = 0

    def changes(self, target: Usable) -> Iterator[Change]:
        """One `duplicate` toxic."""
        yield target.use(Data).toxic(
            self.link, "duplicate", copies=self.copies, share=self.share, where=self.where, equals=self.equals
        )

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """A partition came that is not the one that was written."""
        return EffectCheck("partitions_altered", {"link": self.link}, at_least=1)
