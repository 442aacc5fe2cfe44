"""Parcels as Parquet tables, and the rows of them that a toxic means.

Nothing heavy is imported before it is used: plans are made without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from chaos.domain.data_toxics.contract import AtOnce, BadParameter, MatchesNothing, Parcel
from chaos.seeds import stream

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Mask = npt.NDArray[np.bool_]


def read_table(parcel: Parcel) -> Any:
    """The parcel as a pyarrow table. Raises MatchesNothing where it is no Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(pa.BufferReader(parcel.data)).read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise MatchesNothing(f"{parcel.name} is no Parquet file: {error}") from error


def with_table(parcel: Parcel, table: Any) -> Parcel:
    """The parcel with another table in it; the same table always gives the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return Parcel(parcel.name, bytes(sink.getvalue()), parcel.written_day)


def rehearse() -> None:
    """Read and write a table, which imports all that takes half a second of somebody's day the first time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = pa.table({"number": [1]})
    read_table(with_table(Parcel("rehearsal", b"", 0.0), table)).filter(pc.field("number") == 1)


def column_of(table: Any, column: str, parcel: Parcel) -> int:
    """The place of a column. Raises MatchesNothing."""
    place: int = table.schema.get_field_index(column)
    if place < 0:
        raise MatchesNothing(f"{parcel.name} has no column {column!r}")
    return place


def with_values(table: Any, place: int, mask: Mask, values: Any) -> Any:
    """The table with `values` (an array of its length, or one value) where `mask` is true, the type kept."""
    import pyarrow as pa
    import pyarrow.compute as pc

    field = table.schema.field(place)
    new = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.scalar(values)
    changed = pc.if_else(pa.array(mask), new.cast(field.type), table.column(place))
    return table.set_column(place, field, changed)


@dataclass(frozen=True, kw_only=True)
class Rows(AtOnce):
    """Which rows are meant: a `share` of those whose column `where` holds `equals` (no `where`: of all).

    The share is drawn by the parcel's name, so that the same rows are meant whenever it is asked.
    """

    type: ClassVar[str]
    columns: ClassVar[tuple[str, ...]] = ("where",)
    mended: ClassVar[bool] = True
    share: float = 1.0
    where: str = ""
    equals: int = 0

    def __post_init__(self) -> None:
        if not 0.0 < self.share <= 1.0:
            raise BadParameter("share", f"{self.type}: share must be above 0 and at most 1")
        if isinstance(self.equals, bool) or not isinstance(self.equals, int):
            raise BadParameter("equals", f"{self.type}: equals must be a whole number")

    def chosen(self, table: Any, parcel: Parcel) -> Mask:
        """The rows meant, as a mask. Raises MatchesNothing where there is none."""
        import numpy as np

        meant = np.ones(table.num_rows, dtype=bool)
        if self.where:
            values = table.column(column_of(table, self.where, parcel))
            meant = np.asarray(values.to_numpy() == self.equals)
        if self.share < 1.0:
            there = np.flatnonzero(meant)
            draws = stream(0, "data_toxic", self.type, parcel.name)
            kept = draws.sample(range(len(there)), round(self.share * len(there)))
            meant = np.zeros(table.num_rows, dtype=bool)
            meant[there[sorted(kept)]] = True
        if not meant.any():
            of = f" with {self.where} {self.equals}" if self.where else ""
            raise MatchesNothing(f"{parcel.name} has no rows{of} for {self.type} to change")
        return meant
