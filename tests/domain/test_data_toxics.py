from __future__ import annotations

import math
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chaos.domain.change import Scalar
from chaos.domain.data_toxics import (
    DATA_TOXICS,
    BadParameter,
    MatchesNothing,
    Parcel,
    make_data_toxic,
    named_columns,
    toxic_of_type,
)
from chaos.domain.data_toxics.table import with_table

ROWS = 40


def parcel(name: str = "day=3.parquet") -> Parcel:
    table = pa.table(
        {
            "who": pa.array(range(ROWS), pa.int64()),
            "shard": pa.array([row % 4 for row in range(ROWS)], pa.int64()),
            "dwell": pa.array([None if row % 5 else 20.0 + row for row in range(ROWS)], pa.float64()),
            "word": pa.array([f"w{row}" for row in range(ROWS)]),
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return Parcel(name, bytes(sink.getvalue()), 3.0)


def shaped(type_name: str, **parameters: Scalar) -> pa.Table:
    (passed,) = make_data_toxic(type_name, parameters).shape(parcel())
    assert passed.name == "day=3.parquet"
    return pq.read_table(pa.BufferReader(passed.data))


def original() -> pa.Table:
    return pq.read_table(pa.BufferReader(parcel().data))


def test_a_share_of_the_rows_is_lost_and_the_same_ones_each_time() -> None:
    left = shaped("drop", share=0.25)
    assert left.num_rows == 30
    assert left == shaped("drop", share=0.25)
    assert set(left["who"].to_pylist()) < set(range(ROWS))


def test_older_partitions_come_ahead_of_the_fresh_one_and_none_of_them_twice() -> None:
    toxic = make_data_toxic("backfill", {"partitions": 3, "share": 0.25, "column": "dwell"})
    fresh = [parcel("day=3.parquet"), parcel("day=4.parquet")]
    passed = [toxic.shape(each) for each in fresh]
    assert [each[-1] for each in passed] == fresh
    assert [each.name for each in passed[0][:-1]] == [
        "day=-411.parquet",
        "day=-410.parquet",
        "day=-409.parquet",
    ]
    assert len({each.name for one in passed for each in one}) == 8
    older = pq.read_table(pa.BufferReader(passed[0][0].data))
    assert older.num_rows == ROWS // 4
    there = [value for value in older["dwell"].to_pylist() if value is not None]
    assert all(value < -350 for value in there)
    with pytest.raises(MatchesNothing, match="no number"):
        toxic.shape(parcel("today.parquet"))


def test_the_rows_of_an_older_partition_are_of_its_day() -> None:
    fresh = with_table(parcel("day=3.parquet"), pa.table({"day": [3.0, 3.75]}))
    for behind_days, partitions in ((1, 1), (400, 1000)):
        toxic = make_data_toxic(
            "backfill", {"partitions": partitions, "column": "day", "behind_days": behind_days}
        )
        *older, same = toxic.shape(fresh)
        assert (same, len(older)) == (fresh, partitions)
        for each in (older[0], older[-1]):
            day = int(each.name.removeprefix("day=").removesuffix(".parquet"))
            assert day < 0
            assert pq.read_table(pa.BufferReader(each.data))["day"].to_pylist() == [day, day + 0.75]


def test_other_partitions_lose_other_rows() -> None:
    toxic = make_data_toxic("drop", {"share": 0.5})
    left = [
        pq.read_table(pa.BufferReader(toxic.shape(parcel(name))[0].data))["who"].to_pylist()
        for name in ("day=3.parquet", "day=4.parquet")
    ]
    assert left[0] != left[1]


def test_a_shard_is_lost() -> None:
    assert set(shaped("drop", where="shard", equals=2)["shard"].to_pylist()) == {0, 1, 3}


def test_everything_is_lost() -> None:
    assert make_data_toxic("drop", {}).shape(parcel()) == ()


def test_rows_come_more_than_once() -> None:
    rows = shaped("duplicate", copies=3, where="shard", equals=1)["shard"].to_pylist()
    assert [rows.count(shard) for shard in range(4)] == [10, 30, 10, 10]


def test_a_column_has_another_name_and_its_values() -> None:
    table = shaped("rename", column="dwell", to="dwell_s")
    assert table.column_names == ["who", "shard", "dwell_s", "word"]
    assert table["dwell_s"] == original()["dwell"]


def test_a_column_has_another_type() -> None:
    assert shaped("retype", column="who", to="text").schema.field("who").type == pa.string()


def test_a_number_that_does_not_fit_wraps_round_and_null_stays_null() -> None:
    milliseconds = pq.read_table(
        pa.BufferReader(
            make_data_toxic("retype", {"column": "dwell", "to": "int16"})
            .shape(make_data_toxic("scale", {"column": "dwell", "factor": 1000.0}).shape(parcel())[0])[0]
            .data
        )
    )["dwell"].to_pylist()
    assert milliseconds[0] == 20_000
    assert milliseconds[15] == 35_000 - 65_536
    assert milliseconds[1] is None


def test_values_go_missing_in_the_rows_meant_only() -> None:
    values = shaped("nulls", column="who", where="shard", equals=0)["who"].to_pylist()
    assert [value is None for value in values] == [row % 4 == 0 for row in range(ROWS)]


def test_a_unit_changes_in_the_rows_meant_only_and_keeps_its_type() -> None:
    table = shaped("scale", column="who", factor=10.0, where="shard", equals=1)
    assert table.schema.field("who").type == pa.int64()
    assert table["who"].to_pylist()[:6] == [0, 10, 2, 3, 4, 50]


def test_fractions_stay_fractions_and_whole_numbers_are_rounded_to_the_nearest() -> None:
    before = [value for value in original()["dwell"].to_pylist() if value is not None]
    for type_name, how, expected in (
        ("scale", {"factor": 0.001}, [value * 0.001 for value in before]),
        ("skew", {"by": -0.25}, [value - 0.25 for value in before]),
    ):
        found = shaped(type_name, column="dwell", **how)["dwell"].to_pylist()
        assert [value for value in found if value is not None] == pytest.approx(expected)
    assert shaped("scale", column="who", factor=0.3)["who"].to_pylist()[:5] == [0, 0, 1, 1, 1]
    assert shaped("skew", column="who", by=0.6)["who"].to_pylist()[:3] == [1, 2, 3]


def test_numbers_that_another_type_does_not_hold_exactly_come_as_near_as_it_can() -> None:
    big = with_table(parcel(), pa.table({"x": [2**60 + 1, 3]}))
    for type_name, how, expected in (
        ("retype", {"to": "float32"}, [2.0**60, 3.0]),
        ("skew", {"by": 2.0}, [2**60, 5]),
        ("scale", {"factor": 2.0}, [2**61, 6]),
    ):
        (passed,) = make_data_toxic(type_name, {"column": "x", **how}).shape(big)
        assert pq.read_table(pa.BufferReader(passed.data))["x"].to_pylist() == expected


def test_a_clock_runs_ahead() -> None:
    before, after = (
        original()["dwell"].to_pylist(),
        shaped("skew", column="dwell", by=2.0)["dwell"].to_pylist(),
    )
    assert [value and value + 2 for value in before] == after


def test_a_source_tells_lies() -> None:
    table = shaped("poison", values=["who=7", "dwell=60"], where="shard", equals=3)
    lies = table.filter(pa.compute.equal(table["shard"], 3))
    assert set(lies["who"].to_pylist()) == {7}
    assert set(lies["dwell"].to_pylist()) == {60.0}
    assert table.num_rows == ROWS
    assert table["who"].to_pylist()[:3] == [0, 1, 2]


def test_the_same_rows_in_another_order() -> None:
    assert shaped("reorder")["who"].to_pylist() == list(reversed(range(ROWS)))
    assert shaped("reorder").sort_by("who") == original()


def test_two_rows_can_change_places_and_one_cannot() -> None:
    toxic = make_data_toxic("reorder", {})
    (passed,) = toxic.shape(with_table(parcel(), pa.table({"who": [1, 2]})))
    assert pq.read_table(pa.BufferReader(passed.data))["who"].to_pylist() == [2, 1]
    with pytest.raises(MatchesNothing, match="no two rows"):
        toxic.shape(with_table(parcel(), pa.table({"who": [1]})))


def test_a_column_more() -> None:
    table = shaped("add", column="consent", value=1.0)
    assert table.column_names[-1] == "consent"
    assert set(table["consent"].to_pylist()) == {1.0}


@pytest.mark.parametrize(
    ("type_name", "parameters"),
    [
        ("drop", {"where": "shard", "equals": 9}),
        ("drop", {"where": "shrd", "equals": 1}),
        ("nulls", {"column": "nobody"}),
        ("scale", {"column": "nobody", "factor": 2.0}),
        ("rename", {"column": "who", "to": "dwell"}),
        ("retype", {"column": "word", "to": "int16"}),
        ("add", {"column": "who"}),
    ],
)
def test_what_matches_nothing_is_an_error(type_name: str, parameters: dict[str, Scalar]) -> None:
    with pytest.raises(MatchesNothing, match=r"day=3\.parquet"):
        make_data_toxic(type_name, parameters).shape(parcel())


def test_what_is_no_table_is_an_error() -> None:
    with pytest.raises(MatchesNothing, match="no Parquet"):
        make_data_toxic("drop", {"share": 0.5}).shape(Parcel("day=3.parquet", b"words", 3.0))


@pytest.mark.parametrize(
    ("type_name", "parameters", "field"),
    [
        ("drop", {"share": 1.01}, "share"),
        ("drop", {"share": 0.0}, "share"),
        ("drop", {"share": 0.5, "equals": 2}, "equals"),
        ("drop", {"where": "shard", "equals": 1.5}, "equals"),
        ("drop", {"where": "shard", "equals": True}, "equals"),
        ("duplicate", {"copies": 1}, "copies"),
        ("rename", {"column": "a", "to": "a"}, "to"),
        ("rename", {"column": "a", "to": ""}, "to"),
        ("retype", {"column": "a", "to": "int99"}, "to"),
        ("scale", {"column": "a", "factor": math.inf}, "factor"),
        ("scale", {"column": "a", "factor": 1.0}, "factor"),
        ("skew", {"column": "a", "by": 0.0}, "by"),
        ("skew", {"column": "a", "by": math.nan}, "by"),
        ("poison", {"values": ["clicked"]}, "values"),
        ("late", {"held_days": 0.0}, "held_days"),
        ("late", {"held_days": math.inf}, "held_days"),
        ("duplicate", {"copies": 101}, "copies"),
        ("poison", {"values": []}, "values"),
        ("poison", {"values": ["clicked=nan"]}, "values"),
        ("add", {"column": ""}, "column"),
        ("backfill", {"column": "a", "partitions": 0}, "partitions"),
        ("backfill", {"column": "a", "partitions": 1001}, "partitions"),
        ("backfill", {"column": "a", "partitions": 1, "behind_days": 0}, "behind_days"),
    ],
)
def test_parameters_that_cannot_be_meant(type_name: str, parameters: dict[str, Scalar], field: str) -> None:
    with pytest.raises(BadParameter) as caught:
        make_data_toxic(type_name, parameters)
    assert caught.value.field == field


def test_the_columns_that_a_toxic_names() -> None:
    scale = make_data_toxic("scale", {"column": "dwell", "factor": 2.0, "where": "shard", "equals": 1})
    assert named_columns(scale) == [("column", "dwell"), ("where", "shard")]
    assert named_columns(make_data_toxic("poison", {"values": ["dwell=1"]})) == [("values", "dwell")]
    assert named_columns(make_data_toxic("drop", {})) == []


def test_a_toxic_is_found_by_its_type() -> None:
    assert [toxic_of_type(name).type for name in DATA_TOXICS] == list(DATA_TOXICS)


REHEARSED = """
import sys
from chaos.domain.data_toxics import Parcel, make_data_toxic
from chaos.domain.data_toxics.table import rehearse, with_table
rehearse()
known = set(sys.modules)
import pyarrow as pa
table = pa.table({"event_id": ["a", "b"], "dwell": [1.0, 2.0]})
toxic = make_data_toxic("scale", {"column": "dwell", "factor": 2.0})
toxic.shape(with_table(Parcel("day=1", b"", 0.0), table))
print(sorted(name for name in set(sys.modules) - known if not name.startswith("chaos")))
"""


def test_after_a_rehearsal_the_first_partition_waits_for_no_import() -> None:
    done = subprocess.run([sys.executable, "-c", REHEARSED], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("type_name", "parameters"),
    [
        ("scale", {"column": "shard", "factor": 1.1}),
        ("skew", {"column": "shard", "by": 0.3}),
        ("poison", {"values": ["shard=1"], "where": "shard", "equals": 1}),
        ("poison", {"values": ["nan=0"], "where": "shard", "equals": 0}),
        ("retype", {"column": "word", "to": "text"}),
        ("retype", {"column": "nan", "to": "float32"}),
        ("nulls", {"column": "dwell", "where": "shard", "equals": 1}),
    ],
)
def test_other_bytes_alone_are_no_change(type_name: str, parameters: dict[str, Scalar]) -> None:
    table = pa.table(
        {
            "shard": pa.array([0, 1, 2, 3] * 5),
            "word": pa.array(["w"] * 20),
            "dwell": pa.array([20.0, None, 22.0, 23.0] * 5),
            "nan": pa.array([0.0, math.nan, 2.0, 3.0] * 5, pa.float32()),
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="lz4")
    with pytest.raises(MatchesNothing, match=r"day=3\.parquet holds the same"):
        make_data_toxic(type_name, parameters).shape(Parcel("day=3.parquet", bytes(sink.getvalue()), 3.0))


def test_a_number_that_becomes_no_number_is_a_change() -> None:
    toxic = make_data_toxic("poison", {"values": ["x=0"]})
    for number in (1.0, 0.0):
        was = with_table(parcel(), pa.table({"x": pa.array([math.nan, number])}))
        (passed,) = toxic.shape(was)
        assert pq.read_table(pa.BufferReader(passed.data))["x"].to_pylist() == [0.0, 0.0]


def test_rows_that_are_not_meant_need_not_fit_after_the_change() -> None:
    table = pa.table(
        {
            "s": pa.array([0, 0, 1, 1]),
            "small": pa.array([1, 2, 100, 120], pa.int8()),
            "large": pa.array([1, 2, 2**60 + 1, 7]),
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    parcel = Parcel("day=3.parquet", bytes(sink.getvalue()), 3.0)
    for column, expected in (("small", [2, 4, 100, 120]), ("large", [2, 4, 2**60 + 1, 7])):
        toxic = make_data_toxic("scale", {"column": column, "factor": 2.0, "where": "s", "equals": 0})
        (passed,) = toxic.shape(parcel)
        assert pq.read_table(pa.BufferReader(passed.data))[column].to_pylist() == expected
