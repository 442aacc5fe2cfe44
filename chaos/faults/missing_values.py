"""A column is empty in many rows, as when a client stops to send a field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Data
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class MissingValues:
    """Empty `column` in a `share` of the rows of each partition.

    Source: Schelter et al., Jenga (EDBT 2021): missing values as the first corruption to test for.
    """

    name: ClassVar[str] = "missing_values"
    needs: ClassVar[tuple[type[Capability], ...]] = (Data,)
    link: str
    column: str
    share: float = 1.0
    where: str = ""
    equals: int = 0

    def changes(self, target: Usable) -> Iterator[Change]:
        """One `nulls` toxic."""
        yield target.use(Data).toxic(
            self.link, "nulls", column=self.column, share=self.share, where=self.where, equals=self.equals
        )

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """A partition came that is not the one that was written."""
        return EffectCheck("partitions_altered", {"link": self.link}, at_least=1)
