"""A column has another name from one day to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.domain.data_toxics.contract import AtOnce, BadParameter, MatchesNothing, Parcel
from chaos.domain.data_toxics.table import column_of, read_table, with_table


@dataclass(frozen=True, kw_only=True)
class Rename(AtOnce):
    """Calls `column` by the name `to`."""

    type: ClassVar[str] = "rename"
    columns: ClassVar[tuple[str, ...]] = ("column",)
    mended: ClassVar[bool] = True
    column: str
    to: str

    def __post_init__(self) -> None:
        if not self.to or self.to == self.column:
            raise BadParameter("to", "rename: to must be another name")

    def shape(self, parcel: Parcel) -> tuple[Parcel, ...]:
        """The same values under another name."""
        table = read_table(parcel)
        names = table.column_names
        names[column_of(table, self.column, parcel)] = self.to
        if len(set(names)) < len(names):
            raise MatchesNothing(f"{parcel.name} has a column {self.to!r} already")
        return (with_table(parcel, table.rename_columns(names)),)
