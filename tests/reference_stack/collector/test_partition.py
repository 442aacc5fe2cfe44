"""The partition's file: the same bytes each time, strict about its schema, lenient about values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reference_stack.collector.partition import (
    COLUMNS,
    DamagedPartition,
    Repeated,
    decode,
    encode,
    partition_day,
    partition_name,
    schema,
    sha256,
)
from reference_stack.features.impressions import Impressions


def columns(rows: int = 20) -> dict[str, list[Any]]:
    return {
        "event_id": [f"3-{row // 10}:{row % 10 + 1}" for row in range(rows)],
        "view": [f"3-{row // 10}" for row in range(rows)],
        "recommendation": [f"r-{row // 10}" for row in range(rows)],
        "customer": [row // 10 for row in range(rows)],
        "segment": [2] * rows,
        "shard": [1] * rows,
        "product": list(range(rows)),
        "category": [row % 8 for row in range(rows)],
        "source": [row % 4 for row in range(rows)],
        "price": [None if row == 3 else row / 7 for row in range(rows)],
        "age": [float(row) for row in range(rows)],
        "position": [row % 10 + 1 for row in range(rows)],
        "clicked": [int(row % 5 == 0) for row in range(rows)],
        "dwell": [12.5 if row % 5 == 0 else None for row in range(rows)],
        "day": [3.0 + row / 1000 for row in range(rows)],
        "version": [7] * rows,
        "fallback": [""] * rows,
    }


def rewritten(change: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(change(decode(encode(columns())).table), sink)
    return bytes(sink.getvalue())


def retyped(name: str, wanted: pa.DataType) -> bytes:
    return rewritten(
        lambda table: table.set_column(table.column_names.index(name), name, table.column(name).cast(wanted))
    )


def test_what_goes_in_comes_out() -> None:
    table = decode(encode(columns())).table
    assert table.schema == schema()
    assert table.to_pydict() == columns()


def test_the_same_columns_give_the_same_bytes() -> None:
    assert sha256(encode(columns())) == sha256(encode(columns()))
    assert sha256(encode(columns())) != sha256(encode(columns(19)))


def test_what_is_said_once_for_several_rows_gives_the_same_bytes() -> None:
    plain = columns()
    once = {
        name: Repeated(plain[name][::10], np.repeat(np.arange(2), 10))
        for name in ("view", "recommendation", "customer", "segment", "version", "fallback")
    }

    assert list(once["customer"]) == plain["customer"]
    assert encode({**plain, **once}) == encode(plain)


def test_an_empty_day_is_a_partition() -> None:
    partition = decode(encode({name: [] for name in COLUMNS}))
    assert partition.rows == 0
    assert len(Impressions.of(partition.arrays())) == 0


def test_impressions_leave_out_the_row_without_a_price() -> None:
    found = Impressions.of(decode(encode(columns())).arrays())
    assert len(found) == 19
    assert len(np.unique(found.view)) == 2


@pytest.mark.parametrize("day", [-18, -1, 0, 12])
def test_names_carry_the_day(day: int) -> None:
    assert partition_day(partition_name(day)) == day
    assert partition_day("partitions/" + partition_name(day)) == day


@pytest.mark.parametrize("name", ["day=3.parquet.tmp", "day=x.parquet", "3.parquet", "", "day=.parquet"])
def test_other_names_carry_none(name: str) -> None:
    assert partition_day(name) is None


@pytest.mark.parametrize("value", ["seven", 1.5, 10**30, float("nan"), None, [1], {"a": 1}])
def test_a_value_that_does_not_fit_becomes_null_and_spares_the_rest(value: object) -> None:
    given_columns = columns()
    given_columns["customer"][4] = value
    customers = decode(encode(given_columns)).table.column("customer").to_pylist()
    assert customers[4] is None
    assert customers[:4] == columns()["customer"][:4]
    assert customers[5:] == columns()["customer"][5:]


@pytest.mark.parametrize("name", COLUMNS)
@settings(max_examples=25, deadline=None)
@given(value=st.one_of(st.integers(), st.floats(), st.text(max_size=3), st.none(), st.lists(st.booleans())))
def test_any_value_in_any_column_can_be_written_and_read(name: str, value: object) -> None:
    given_columns = columns()
    given_columns[name][0] = value
    partition = decode(encode(given_columns))
    assert partition.rows == 20
    assert len(Impressions.of(partition.arrays())) <= 19


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("customer", pa.int32()),
        ("position", pa.float64()),
        ("age", pa.float32()),
        ("age", pa.int64()),
        ("view", pa.large_string()),
        ("view", pa.dictionary(pa.int32(), pa.string())),
    ],
)
def test_another_width_is_widened(name: str, wanted: pa.DataType) -> None:
    assert decode(retyped(name, wanted)).table.to_pydict() == columns()


@pytest.mark.parametrize(
    ("name", "wanted"), [("customer", pa.string()), ("price", pa.string()), ("clicked", pa.bool_())]
)
def test_another_kind_of_type_damages_the_partition(name: str, wanted: pa.DataType) -> None:
    with pytest.raises(DamagedPartition, match=name):
        decode(retyped(name, wanted))


def test_a_fraction_in_a_whole_column_damages_the_partition() -> None:
    halves = rewritten(lambda table: table.set_column(3, "customer", pa.array([0.5] * 20, type=pa.float64())))
    with pytest.raises(DamagedPartition, match="customer"):
        decode(halves)


def test_a_column_of_nulls_is_read_whatever_its_type() -> None:
    nulls = rewritten(lambda table: table.set_column(3, "customer", pa.nulls(20)))
    assert decode(nulls).table.column("customer").null_count == 20


def test_a_renamed_column_is_missing() -> None:
    renamed = rewritten(
        lambda table: table.rename_columns(["cust" if n == "customer" else n for n in COLUMNS])
    )
    with pytest.raises(DamagedPartition, match="lacks customer"):
        decode(renamed)


def test_unknown_columns_are_named_and_left_out() -> None:
    wider = rewritten(lambda table: table.append_column("extra", pa.array(range(20))))
    partition = decode(wider)
    assert partition.unknown == ("extra",)
    assert partition.table.schema == schema()


def test_a_column_that_comes_twice_damages_the_partition() -> None:
    doubled = rewritten(lambda table: table.append_column("customer", table.column("customer")))
    with pytest.raises(DamagedPartition, match="more than one"):
        decode(doubled)


def test_flipped_bits_in_the_values_are_found() -> None:
    data = bytearray(encode(columns()))
    data[60] ^= 0xFF
    with pytest.raises(DamagedPartition):
        decode(bytes(data))


@settings(max_examples=60, deadline=None)
@example(position=2520, value=128, length=0)
@given(position=st.integers(0, 3000), value=st.integers(0, 255), length=st.integers(0, 4000))
def test_damage_is_told_or_harmless(position: int, value: int, length: int) -> None:
    data = bytearray(encode(columns()))
    data[position % len(data)] = value
    for damaged in (bytes(data), bytes(data[: length % len(data)])):
        try:
            decode(damaged).arrays()
        except DamagedPartition:
            continue


def test_each_source_has_a_fingerprint_of_what_models_are_made_of() -> None:
    def of(**changed: tuple[int, object]) -> dict[str, str]:
        made = columns()
        made["source"][4] = None
        for name, (row, value) in changed.items():
            made[name][row] = value
        return decode(encode(made)).sources

    usual = of()
    assert sorted(usual) == ["-1", "0", "1", "2", "3"]
    assert len(set(usual.values())) == 5
    assert of(event_id=(1, "other"), recommendation=(1, "other")) == usual
    for name, value in (("price", 9.0), ("dwell", 30.0), ("clicked", 1), ("fallback", "popularity")):
        other = of(**{name: (9, value)})
        assert {source for source in usual if usual[source] != other[source]} == {"1"}
    moved = of(source=(2, 3))
    assert {source for source in usual if usual[source] != moved[source]} == {"2", "3"}
    assert decode(encode({name: values[:0] for name, values in columns().items()})).sources == {}


def test_what_is_read_is_not_to_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        decode(encode(columns())).arrays()["price"][0] = 1.0
