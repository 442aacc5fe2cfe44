"""A column is in another unit from one day to the next, and may no longer fit where it is stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Data, MeaninglessChange
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.data_toxics.retype import TYPES
from chaos.domain.target import TargetSpec
from chaos.errors import nearest


@dataclass(frozen=True)
class UnitChange:
    """Multiply `column` by `factor`, in all rows or some; `stored_as` a smaller type, it wraps round.

    Source: Breck et al., Data validation for machine learning (SysML 2019); Ariane 501, where a 64-bit number
    was converted to a 16-bit one that could not hold it.
    """

    name: ClassVar[str] = "unit_change"
    needs: ClassVar[tuple[type[Capability], ...]] = (Data,)
    link: str
    column: str
    factor: float
    stored_as: str = ""
    share: float = 1.0
    where: str = ""
    equals: int = 0

    def refuse(self, spec: TargetSpec) -> None:  # noqa: ARG002
        """A unit is so much of another, and only some types are known."""
        if self.factor <= 0:
            raise MeaninglessChange("factor", "a unit is a multiple of another: the factor is above 0")
        if self.stored_as not in ("", *TYPES):
            says = f"{self.stored_as!r} is not one of {', '.join(TYPES)}"
            raise MeaninglessChange("stored_as", says, nearest(self.stored_as, TYPES))

    def changes(self, target: Usable) -> Iterator[Change]:
        """One `scale` toxic, and a `retype` after it where the type changes too."""
        yield target.use(Data).toxic(
            self.link,
            "scale",
            column=self.column,
            factor=self.factor,
            share=self.share,
            where=self.where,
            equals=self.equals,
        )
        if self.stored_as:
            yield target.use(Data).toxic(self.link, "retype", column=self.column, to=self.stored_as)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """A partition came that is not the one that was written."""
        return EffectCheck("partitions_altered", {"link": self.link}, at_least=1)
