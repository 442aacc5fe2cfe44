"""What one source of data says is false, well formed as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Data, column_of
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class PoisonedSource:
    """Put false `values` (`column=number`) into a `share` of the rows whose column `where` holds `equals`.

    Never mended: there is no better copy of what a partner sent. Source: Unity, 2022: data of one large
    customer spoilt the training of its audience models, at a cost of about 110 million dollars.
    """

    name: ClassVar[str] = "poisoned_source"
    needs: ClassVar[tuple[type[Capability], ...]] = (Data,)
    link: str
    where: str
    equals: int
    values: list[str]
    share: float = 1.0

    def changes(self, target: Usable) -> Iterator[Change]:
        """One `poison` toxic."""
        where = column_of(target.spec, self.where, "where")  # a source is some rows, never all
        yield target.use(Data).toxic(
            self.link, "poison", values=self.values, share=self.share, where=where, equals=self.equals
        )

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """A partition came that is not the one that was written."""
        return EffectCheck("partitions_altered", {"link": self.link}, at_least=1)
