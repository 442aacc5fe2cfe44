"""A column has another type from one day to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from chaos.domain.data_toxics.contract import AtOnce, BadParameter, MatchesNothing, Parcel
from chaos.domain.data_toxics.table import altered, column_of, read_table

WHOLE = ("int8", "int16", "int32")
TYPES = (*WHOLE, "float32", "text")


@dataclass(frozen=True, kw_only=True)
class Retype(AtOnce):
    """Stores `column` as another type. Whole numbers that are too large wrap round, as in a C cast."""

    type: ClassVar[str] = "retype"
    columns: ClassVar[tuple[str, ...]] = ("column",)
    mended: ClassVar[bool] = True
    column: str
    to: str

    def __post_init__(self) -> None:
        if self.to not in TYPES:
            raise BadParameter("to", f"retype: to must be one of {', '.join(TYPES)}")

    def shape(self, parcel: Parcel) -> tuple[Parcel, ...]:
        """The same column as another type."""
        table = read_table(parcel)
        place = column_of(table, self.column, parcel)
        changed = self._cast(table.column(place), parcel)
        return (altered(parcel, table.set_column(place, self.column, changed), table),)

    def _cast(self, column: Any, parcel: Parcel) -> Any:
        import numpy as np
        import pyarrow as pa

        if self.to == "text":
            return column.cast(pa.string())
        if pa.types.is_string(column.type):
            raise MatchesNothing(f"{parcel.name}: {self.column!r} is text already")
        if self.to not in WHOLE:
            return column.cast(pa.float32(), safe=False)
        null = column.is_null().to_numpy()
        values = column.fill_null(0).to_numpy().astype(np.int64).astype(self.to)
        return pa.array(values, mask=null)
