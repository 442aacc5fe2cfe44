"""Rows come more than once, as from at-least-once delivery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.domain.data_toxics.contract import BadParameter, Parcel
from chaos.domain.data_toxics.table import Rows, read_table, with_table


@dataclass(frozen=True, kw_only=True)
class Duplicate(Rows):
    """Hands on the rows meant `copies` times; the further ones come after all others."""

    type: ClassVar[str] = "duplicate"
    copies: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.copies <= 100:
            raise BadParameter("copies", "duplicate: copies must be 2 to 100")

    def shape(self, parcel: Parcel) -> tuple[Parcel, ...]:
        """With rows more than once."""
        import pyarrow as pa

        table = read_table(parcel)
        again = table.filter(self.chosen(table, parcel))
        return (with_table(parcel, pa.concat_tables([table, *[again] * (self.copies - 1)])),)
