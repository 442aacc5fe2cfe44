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


def altered(parcel: Parcel, table: Any, was: Any) -> Parcel:
    """As `with_table`, for a toxic that has made `table` of what it `was`: other bytes alone are no fault.

    Raises MatchesNothing where both hold the same.
    """
    if table.schema == was.schema and all(map(_alike, table.columns, was.columns)):
        raise MatchesNothing(f"{parcel.name} holds the same after the change as before")
    return with_table(parcel, table)


def _alike(one: Any, other: Any) -> bool:
    """Whether two columns of one type hold the same; a NaN is like another."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if one.equals(other) or not pa.types.is_floating(one.type):
        return bool(one.equals(other))
    holes, others = pc.is_nan(one), pc.is_nan(other)
    return bool(holes.equals(others) and pc.if_else(holes, 0.0, one).equals(pc.if_else(others, 0.0, other)))


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
    meant = pa.array(mask)
    new: Any = values
    if not isinstance(values, pa.Array | pa.ChunkedArray):
        new = pa.scalar(values)
    else:  # what stays as it is need not fit into the column after the change
        new = pc.if_else(meant, values, None)
    changed = pc.if_else(meant, new.cast(field.type), table.column(place))
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
        if self.equals and not self.where:
            raise BadParameter("equals", f"{self.type}: equals chooses nothing without the column `where`")

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
