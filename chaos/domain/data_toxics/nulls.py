"""Values go missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.domain.data_toxics.contract import Parcel
from chaos.domain.data_toxics.table import Rows, altered, column_of, read_table, with_values


@dataclass(frozen=True, kw_only=True)
class Nulls(Rows):
    """Empties `column` in the rows meant."""

    type: ClassVar[str] = "nulls"
    columns: ClassVar[tuple[str, ...]] = ("column", "where")
    column: str

    def shape(self, parcel: Parcel) -> tuple[Parcel, ...]:
        """With holes in it."""
        table = read_table(parcel)
        place = column_of(table, self.column, parcel)
        return (altered(parcel, with_values(table, place, self.chosen(table, parcel), None), table),)
