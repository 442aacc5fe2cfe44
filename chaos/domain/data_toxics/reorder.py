"""Rows come in another order, as from a job that did not sort them yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.domain.data_toxics.contract import AtOnce, MatchesNothing, Parcel
from chaos.domain.data_toxics.table import altered, read_table


@dataclass(frozen=True)
class Reorder(AtOnce):
    """Hands on the same rows, the last ones first: other bytes, and nothing that a reader may mind."""

    type: ClassVar[str] = "reorder"
    mended: ClassVar[bool] = True

    def shape(self, parcel: Parcel) -> tuple[Parcel, ...]:
        """The other way round."""
        table = read_table(parcel)
        if table.num_rows < 2:
            raise MatchesNothing(f"{parcel.name} has no two rows that could change places")
        return (altered(parcel, table.take(list(range(table.num_rows - 1, -1, -1))), table),)
