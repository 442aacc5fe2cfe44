"""A column that nobody has asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.domain.data_toxics.contract import AtOnce, BadParameter, MatchesNothing, Parcel
from chaos.domain.data_toxics.table import read_table, with_table


@dataclass(frozen=True, kw_only=True)
class Add(AtOnce):
    """Adds a `column` that holds `value` in each row."""

    type: ClassVar[str] = "add"
    column: str
    value: float = 0.0

    def __post_init__(self) -> None:
        if not self.column:
            raise BadParameter("column", "add: column must have a name")

    def shape(self, parcel: Parcel) -> tuple[Parcel, ...]:
        """With one column more."""
        import numpy as np
        import pyarrow as pa

        table = read_table(parcel)
        if self.column in table.column_names:
            raise MatchesNothing(f"{parcel.name} has a column {self.column!r} already")
        values = pa.array(np.full(table.num_rows, float(self.value)))
        return (with_table(parcel, table.append_column(self.column, values)),)
