"""A column that nobody has asked for comes along; a reader that minds its own columns does not care."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Data, MeaninglessChange
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class AddedColumn:
    """Add a `column` of one number to each partition. Benign: it must neither page nor block.

    Source: Breck et al., Data validation for machine learning (SysML 2019): schemas evolve.
    """

    name: ClassVar[str] = "added_column"
    needs: ClassVar[tuple[type[Capability], ...]] = (Data,)
    link: str
    column: str

    def refuse(self, spec: TargetSpec) -> None:
        """A column that is there already is not added."""
        if self.column in spec.columns:
            raise MeaninglessChange("column", f"the target's data has a column {self.column!r} already")

    def changes(self, target: Usable) -> Iterator[Change]:
        """One `add` toxic."""
        yield target.use(Data).toxic(self.link, "add", column=self.column)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """A partition came that is not the one that was written."""
        return EffectCheck("partitions_altered", {"link": self.link}, at_least=1)
