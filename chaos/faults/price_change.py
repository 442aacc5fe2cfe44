"""Prices go up or down, and events tell the new ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Data
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class PriceChange:
    """Add `by` (in units of the column, such as standardised log price) to the price of what `where` and
    `equals` choose, such as one source's products.

    Benign: it must neither page nor block. Source: Breck et al., Data validation for machine learning (SysML
    2019): what comes in changes, and a validator that minds every change is switched off.
    """

    name: ClassVar[str] = "price_change"
    needs: ClassVar[tuple[type[Capability], ...]] = (Data,)
    link: str
    by: float
    column: str = "price"
    where: str = ""
    equals: int = 0

    def changes(self, target: Usable) -> Iterator[Change]:
        """One `skew` toxic."""
        yield target.use(Data).toxic(
            self.link, "skew", column=self.column, by=self.by, where=self.where, equals=self.equals
        )

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """A partition came with other prices than were written."""
        return EffectCheck("partitions_altered", {"link": self.link}, at_least=1)
