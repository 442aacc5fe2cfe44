"""A column is off by so much, such as a clock that runs ahead."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from chaos.domain.data_toxics.contract import BadParameter, Parcel
from chaos.domain.data_toxics.table import Rows, altered, column_of, read_table, with_values


@dataclass(frozen=True, kw_only=True)
class Skew(Rows):
    """Adds `by` to `column` in the rows meant."""

    type: ClassVar[str] = "skew"
    columns: ClassVar[tuple[str, ...]] = ("column", "where")
    column: str
    by: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not math.isfinite(self.by) or self.by == 0.0:
            raise BadParameter("by", "skew: by must be a number other than 0")

    def shape(self, parcel: Parcel) -> tuple[Parcel, ...]:
        """Off by so much."""
        import pyarrow as pa
        import pyarrow.compute as pc

        table = read_table(parcel)
        place = column_of(table, self.column, parcel)
        values = pc.add(table.column(place).cast(pa.float64(), safe=False), float(self.by))
        if pa.types.is_integer(table.schema.field(place).type):
            values = pc.round(values)
        return (altered(parcel, with_values(table, place, self.chosen(table, parcel), values), table),)
