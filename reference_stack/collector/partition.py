"""The partition of one day, an immutable Parquet file: its schema, name, bytes and fingerprint.

Everything that writes or reads partitions goes through this module. Rows are impressions (one product shown
in one slot of one page view) in the order of their acknowledgement. Any value may be null in the file: how
many nulls are too many is a question for the layers, not for the reader.

    event_id        string   `view:position`, unique within a partition
    view            string   the page view
    recommendation  string   the reply of serving that was shown
    customer        int64
    segment         int64    0 … 4
    shard           int64    0 … 3, the customer's home
    product         int64
    category        int64    0 … 7
    source          int64    0 … 3, the feed that the product came from
    price           double   standardised log price; null on about 2% of rows
    age             double   days since the product's launch
    position        int64    slot, from 1
    clicked         int64    0 or 1
    dwell           double   seconds on the product's page; null without a click
    day             double   scenario day of the page view, with its fraction
    version         int64    the model version that answered, 0 for none
    fallback        string   empty, `last_good` or `popularity`
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

TEXTS = ("event_id", "view", "recommendation", "fallback")
_REAL = ("price", "age", "dwell", "day")
COLUMNS = (
    "event_id",
    "view",
    "recommendation",
    "customer",
    "segment",
    "shard",
    "product",
    "category",
    "source",
    "price",
    "age",
    "position",
    "clicked",
    "dwell",
    "day",
    "version",
    "fallback",
)
NUMBERS = tuple(name for name in COLUMNS if name not in TEXTS)
_NAME = re.compile(r"day=(-?\d+)\.parquet")
_LARGEST = 2**53
"""From here on float64 does not hold every whole number."""


class DamagedPartition(ValueError):
    """The bytes are no partition: torn, foreign, or with columns or types that the schema does not have."""


@dataclass(frozen=True)
class Partition:
    """A partition that has been read, with exactly the columns of the schema."""

    table: pa.Table
    unknown: tuple[str, ...] = ()
    """Columns that the file had besides; they are left out of `table`."""

    @property
    def rows(self) -> int:
        """How many rows it holds."""
        return int(self.table.num_rows)

    @cached_property
    def sources(self) -> dict[str, str]:
        """A fingerprint of the rows of each source, by its number; -1 stands for rows without one.

        Of every number and of `fallback`, in the order of the rows: of all that models are made of.
        """
        arrays = self.arrays()
        source = np.nan_to_num(arrays["source"], nan=-1.0).astype(np.int64)
        order = np.argsort(source, kind="stable")
        ends = np.searchsorted(source[order], np.unique(source), side="right")
        plain = (arrays["fallback"] == "").astype(np.float64)
        rows = np.stack([*(arrays[name] for name in NUMBERS), plain])[:, order]
        found, start = {}, 0
        for end in ends.tolist():
            content = np.ascontiguousarray(rows[:, start:end]).data
            found[str(source[order[start]])] = hashlib.sha256(content).hexdigest()[:16]
            start = end
        return found

    def arrays(self) -> Mapping[str, npt.NDArray[Any]]:
        """The columns that features and models use, each of shape (rows,); not to be written to.

        Numbers are float64 with NaN for null and for what float64 cannot count to. `view` is a number for
        each page view, so that equality is kept and nothing else; `fallback` holds strings.
        """
        return self._arrays

    @cached_property
    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        found: dict[str, npt.NDArray[Any]] = {name: _numbers(self.table.column(name)) for name in NUMBERS}
        views = self.table.column("view").combine_chunks().fill_null("").dictionary_encode()
        found["view"] = views.indices.to_numpy().astype(np.int64)
        found["fallback"] = self.table.column("fallback").fill_null("").to_numpy()
        for values in found.values():
            values.flags.writeable = False
        return found


Decode = Callable[[bytes], Partition]


def schema() -> pa.Schema:
    """The schema as Parquet has it; all columns may hold nulls."""
    return pa.schema([(name, _type(name)) for name in COLUMNS])


def partition_name(day: int) -> str:
    """The file's name: `day=-3.parquet`, `day=12.parquet`."""
    return f"day={day}.parquet"


def partition_day(name: str) -> int | None:
    """The scenario day in a file's name, None where the name is no partition's."""
    match = _NAME.fullmatch(name.rpartition("/")[2])
    return int(match[1]) if match else None


def sha256(data: bytes) -> str:
    """The fingerprint of a file's bytes, hexadecimal: what lineage and logs call a partition's `sha256`."""
    return hashlib.sha256(data).hexdigest()


class Repeated(Sequence[Any]):
    """A column in which each of some values stands for several rows, as those of a page view do."""

    def __init__(self, values: Sequence[object], places: npt.NDArray[np.int64]) -> None:
        """`places` (rows,) are the places in `values` of each row's value."""
        self.values = values
        self.places = places

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Any]:
        return map(self.values.__getitem__, self.places.tolist())

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return Repeated(self.values, self.places[row])
        return self.values[self.places[row]]


def encode(columns: Mapping[str, Sequence[object]]) -> bytes:
    """The file for `columns` (all of COLUMNS, of one length). The same columns always give the same bytes.

    A value that does not fit its column's type becomes null.
    """
    table = pa.table([_array(name, columns[name]) for name in COLUMNS], schema=schema())
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="lz4",
        use_dictionary=["view", "recommendation", "fallback"],
        write_page_checksum=True,
    )
    return bytes(sink.getvalue())


def decode(data: bytes) -> Partition:
    """The partition in a file's bytes. Raises DamagedPartition.

    Integers and floats of other widths are widened, columns that the schema does not know are left out; a
    missing column or another kind of type damages the whole partition.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        table = file.read(use_threads=False)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:  # ValueError: names that are no UTF-8
        raise DamagedPartition(f"not readable as Parquet: {error}") from error
    names = table.column_names
    missing = [name for name in COLUMNS if names.count(name) != 1]
    if missing:
        raise DamagedPartition(f"lacks {', '.join(missing)}, or has more than one")
    unknown = tuple(name for name in names if name not in COLUMNS)
    return Partition(pa.table({name: _fitted(name, table.column(name)) for name in COLUMNS}), unknown)


def remembering(partitions: int = 48) -> Decode:
    """`decode` with a memory of its own for so many partitions, of some 0.5 MB each.

    For components that share a process, as in virtual time, where each reads what another has read before.
    """
    return lru_cache(maxsize=partitions)(decode)


def _type(name: str) -> pa.DataType:
    if name in TEXTS:
        return pa.string()
    return pa.float64() if name in _REAL else pa.int64()


def _array(name: str, values: Sequence[object]) -> pa.Array:
    if isinstance(values, Repeated):
        return _array(name, values.values).take(pa.array(values.places))
    if name not in TEXTS:
        try:  # the quickest way to plain numbers; it takes no nulls, and no fraction for a whole number
            kind = "d" if name in _REAL else "q"
            plain = struct.pack(f"{len(values)}{kind}", *values)
            return pa.array(np.frombuffer(plain, dtype=kind), from_pandas=True)
        except (struct.error, OverflowError):
            pass
    # pyarrow truncates a fraction among whole numbers without a word, so types are looked at first.
    types: set[type] = {str} if name in TEXTS else {int, float} if name in _REAL else {int}
    if set(map(type, values)) <= types | {type(None)}:
        try:
            return pa.array(values, type=_type(name), from_pandas=True)
        except (pa.ArrowException, OverflowError):
            pass  # a number too large for the type: value by value, then
    fitting = _text if name in TEXTS else _real if name in _REAL else _whole
    return pa.array([fitting(value) for value in values], type=_type(name), from_pandas=True)


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    values = column.to_numpy().astype(np.float64)
    values[np.abs(values) >= _LARGEST] = np.nan
    return np.asarray(values)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _real(value: object) -> float | None:
    fits = isinstance(value, int | float) and abs(value) < 1e300
    return float(value) if fits and isinstance(value, int | float) else None


def _whole(value: object) -> int | None:
    if isinstance(value, int):
        return int(value) if -_LARGEST <= value < _LARGEST else None
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST else None


def _fitted(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    wanted, found = _type(name), column.type
    if found == wanted:
        return column
    if pa.types.is_dictionary(found):
        found = found.value_type
    if pa.types.is_string(wanted):
        alike = pa.types.is_string(found) or pa.types.is_large_string(found)
    else:
        alike = pa.types.is_integer(found) or pa.types.is_floating(found)
    if not (alike or pa.types.is_null(found)):
        raise DamagedPartition(f"{name} is {column.type} and not {wanted}")
    try:
        return column.cast(wanted)
    except pa.ArrowException as error:
        raise DamagedPartition(f"{name} is {column.type} and does not fit {wanted}: {error}") from error
