"""A column is in another unit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from chaos.domain.data_toxics.contract import BadParameter, Parcel
from chaos.domain.data_toxics.table import Rows, altered, column_of, read_table, with_values


@dataclass(frozen=True, kw_only=True)
class Scale(Rows):
    """Multiplies `column` by `factor` in the rows meant; whole numbers are rounded to whole ones."""

    type: ClassVar[str] = "scale"
    columns: ClassVar[tuple[str, ...]] = ("column", "where")
    column: str
    factor: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not math.isfinite(self.factor) or self.factor == 1.0:
            raise BadParameter("factor", "scale: factor must be a number other than 1")

    def shape(self, parcel: Parcel) -> tuple[Parcel, ...]:
        """In another unit."""
        import pyarrow as pa
        import pyarrow.compute as pc

        table = read_table(parcel)
        place = column_of(table, self.column, parcel)
        values = pc.multiply(table.column(place).cast(pa.float64(), safe=False), float(self.factor))
        if pa.types.is_integer(table.schema.field(place).type):
            values = pc.round(values)
        return (altered(parcel, with_values(table, place, self.chosen(table, parcel), values), table),)
