"""Older history comes down the same pipe, ahead of what is fresh."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from chaos.domain.data_toxics.contract import BadParameter, MatchesNothing, Parcel
from chaos.domain.data_toxics.table import Rows, column_of, read_table, with_table, with_values

_NUMBER = re.compile(r"-?\d+")


@dataclass(frozen=True, kw_only=True)
class Backfill(Rows):
    """Hands on `partitions` of earlier days with each parcel, before it.

    They are made of a `share` of the parcel's rows, with `column` (a time in days) and the number in the name
    put back: by `behind_days` and more, so that no two parcels bring the same day.
    """

    type: ClassVar[str] = "backfill"
    columns: ClassVar[tuple[str, ...]] = ("column", "where")
    mended: ClassVar[bool] = False
    partitions: int
    column: str
    behind_days: int = 400

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.partitions <= 1000:
            raise BadParameter("partitions", "backfill: partitions must be 1 to 1000")
        if self.behind_days < 1:
            raise BadParameter("behind_days", "backfill: behind_days must be 1 or more")

    def shape(self, parcel: Parcel) -> tuple[Parcel, ...]:
        """Older ones, oldest first, then the parcel as it is."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        number = _NUMBER.search(parcel.name)
        if number is None:
            raise MatchesNothing(f"{parcel.name} has no number that says of which day it is")
        day = int(number[0])
        table = read_table(parcel)
        place = column_of(table, self.column, parcel)
        rows = table.filter(self.chosen(table, parcel))
        values = rows.column(place).cast(pa.float64())
        newest = -self.behind_days - day * self.partitions
        found = []
        for earlier in range(newest - self.partitions + 1, newest + 1):
            moved = pc.add(values, float(earlier - day))
            name = f"{parcel.name[: number.start()]}{earlier}{parcel.name[number.end() :]}"
            older = with_values(rows, place, np.ones(rows.num_rows, dtype=bool), moved)
            found.append(with_table(Parcel(name, b"", parcel.written_day), older))
        return (*found, parcel)
