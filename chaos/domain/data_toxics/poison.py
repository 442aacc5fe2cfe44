"""What a source says is wrong, and looks well formed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from chaos.domain.data_toxics.contract import BadParameter, Parcel
from chaos.domain.data_toxics.table import Rows, altered, column_of, read_table, with_values


@dataclass(frozen=True, kw_only=True)
class Poison(Rows):
    """Puts `values` (each `column=number`) into the rows meant.

    Never mended: what a source said is what it said, and there is no better copy of it to be delivered again.
    """

    type: ClassVar[str] = "poison"
    columns: ClassVar[tuple[str, ...]] = (*Rows.columns, "values")
    mended: ClassVar[bool] = False
    values: list[str]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.values:
            raise BadParameter("values", "poison: values must name a column")
        self.pairs()

    def pairs(self) -> list[tuple[str, float]]:
        """Columns with what is put there. Raises BadParameter."""
        found = []
        for text in self.values:
            column, _, number = text.partition("=")
            try:
                value = float(number)
            except ValueError as error:
                raise BadParameter("values", f"poison: {text!r} is not column=number") from error
            if not math.isfinite(value):
                raise BadParameter("values", f"poison: {text!r} is no number")
            found.append((column.strip(), value))
        return found

    def shape(self, parcel: Parcel) -> tuple[Parcel, ...]:
        """With false values."""
        was = table = read_table(parcel)
        mask = self.chosen(table, parcel)
        for column, number in self.pairs():
            table = with_values(table, column_of(table, column, parcel), mask, number)
        return (altered(parcel, table, was),)
