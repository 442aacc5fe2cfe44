"""Parcels, or rows of them, are lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.domain.data_toxics.contract import Parcel
from chaos.domain.data_toxics.table import Rows, read_table, with_table


@dataclass(frozen=True, kw_only=True)
class Drop(Rows):
    """Loses the rows meant; where all are, the parcel itself does not arrive, and never will."""

    type: ClassVar[str] = "drop"

    def shape(self, parcel: Parcel) -> tuple[Parcel, ...]:
        """Nothing, or what is left."""
        if not self.where and self.share == 1.0:
            return ()
        table = read_table(parcel)
        return (with_table(parcel, table.filter(~self.chosen(table, parcel))),)
