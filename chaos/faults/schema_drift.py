"""A column changes its name or its type from one day to the next, and nobody told the reader."""

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
class SchemaDrift:
    """Rename `column` to `renamed_to`, or store it as another type (`stored_as`: text, int16, float32, …).

    Source: McGlohon, on changes of data formats upstream of a model.
    """

    name: ClassVar[str] = "schema_drift"
    needs: ClassVar[tuple[type[Capability], ...]] = (Data,)
    link: str
    column: str
    renamed_to: str = ""
    stored_as: str = ""

    def refuse(self, spec: TargetSpec) -> None:
        """Something must change, one thing at a time, and no name may be taken."""
        if self.stored_as not in ("", *TYPES):
            says = f"{self.stored_as!r} is not one of {', '.join(TYPES)}"
            raise MeaninglessChange("stored_as", says, nearest(self.stored_as, TYPES))
        if bool(self.renamed_to) == bool(self.stored_as):
            raise MeaninglessChange("renamed_to", "name either renamed_to or stored_as")
        if self.renamed_to and self.renamed_to in (self.column, *spec.columns):
            raise MeaninglessChange("renamed_to", f"the data has a column {self.renamed_to!r} already")

    def changes(self, target: Usable) -> Iterator[Change]:
        """One `rename` or `retype` toxic."""
        if self.renamed_to:
            yield target.use(Data).toxic(self.link, "rename", column=self.column, to=self.renamed_to)
        else:
            yield target.use(Data).toxic(self.link, "retype", column=self.column, to=self.stored_as)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """A partition came that is not the one that was written."""
        return EffectCheck("partitions_altered", {"link": self.link}, at_least=1)
