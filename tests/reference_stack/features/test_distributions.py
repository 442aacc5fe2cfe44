from __future__ import annotations

import math

import numpy as np

from reference_stack.collector.partition import COLUMNS, Partition, decode, encode
from reference_stack.features.contents import contents
from reference_stack.features.distributions import Distributions, distributions, psi, shifts, shifts_by_source


def partition(**columns: list[object]) -> Partition:
    rows = max(len(values) for values in columns.values())
    made: dict[str, list[object]] = {name: [1] * rows for name in COLUMNS}
    made |= {name: ["x"] * rows for name in ("view", "recommendation", "fallback")}
    made |= {"event_id": [f"x:{row}" for row in range(rows)], "clicked": [0] * rows, "dwell": [None] * rows}
    return decode(encode({**made, **columns}))


def test_psi_is_its_formula() -> None:
    counts, other = np.array([9, 29]), np.array([19, 19])
    p, q = (9.5 / 39, 29.5 / 39), (0.5, 0.5)
    expected = sum((a - b) * math.log(a / b) for a, b in zip(p, q, strict=True))
    assert math.isclose(psi(counts, other), expected)
    assert psi(counts, counts) == 0.0
    assert math.isfinite(psi(np.array([0, 5]), np.array([5, 0])))


def test_a_shifted_column_is_seen_and_the_others_are_not() -> None:
    usual = distributions(partition(segment=[0, 1, 2, 3, 4] * 40).arrays())
    odd = distributions(partition(segment=[0, 0, 0, 3, 4] * 40).arrays())
    found = shifts(odd, [usual, usual])
    assert found["segment"] > 0.3
    assert all(value < 0.05 for name, value in found.items() if name != "segment")
    assert shifts(usual, [usual])["segment"] == 0.0
    assert shifts(usual, []) == {}


def test_a_source_is_compared_with_itself() -> None:
    def day(clicks: int) -> Partition:
        clicked = [1] * clicks + [0] * (100 - clicks) + [1] * 20 + [0] * 80
        return partition(
            source=[0] * 100 + [1] * 100, clicked=clicked, dwell=[20.0 if one else None for one in clicked]
        )

    usual, odd = distributions(day(20).arrays()), distributions(day(60).arrays())
    found = shifts_by_source(odd, [usual, usual])
    assert (found[0]["ctr"], found[1]["ctr"]) == (3.0, 1.0)
    assert found[1]["dwell"] < 0.1
    assert found[0]["rows"] == 100.0


def test_rows_of_a_source_that_is_left_out_count_on_neither_side() -> None:
    def day(shard: list[int], of_source_1: int) -> Partition:
        return partition(shard=shard * 50 + [of_source_1] * 50, source=[0] * 200 + [1] * 50)

    usual = distributions(day([0, 1, 2, 3], 0).arrays())
    source_only = distributions(day([0, 1, 2, 3], 3).arrays())
    both = distributions(day([0, 0, 0, 3], 3).arrays())
    assert shifts(source_only, [usual])["shard"] > 0.2
    assert shifts(source_only, [usual], {1})["shard"] == 0.0
    assert shifts(both, [usual], {1})["shard"] > 0.2
    assert shifts(both, [usual], {0, 1}) == {}


def test_a_source_that_was_not_there_or_had_no_click_has_nothing_to_be_compared_with() -> None:
    def day(source: int, clicks: int) -> Distributions:
        clicked = [1] * clicks + [0] * (10 - clicks)
        dwell = [20.0 if one else None for one in clicked]
        return distributions(partition(source=[source] * 10, clicked=clicked, dwell=dwell).arrays())

    assert shifts_by_source(day(0, 5), [day(1, 5)]) == {}
    assert shifts_by_source(day(0, 5), [day(0, 0)]) == {}
    assert shifts_by_source(day(0, 5), [day(1, 5), day(0, 2)])[0]["ctr"] == 2.5
    assert day(0, 5).without([3])["dwell"].sum() == 5


def test_only_a_click_with_its_dwell_counts_as_one() -> None:
    found = distributions(partition(clicked=[1, 1, 0, 0], dwell=[20.0, None, 20.0, None]).arrays())
    assert (found.sources[1].rows, found.sources[1].clicks, found.columns["dwell"].sum()) == (4, 1, 1)


def test_a_number_beyond_the_last_bin_is_in_none() -> None:
    found = distributions(partition(segment=[-1, 0, 4, 5], source=[1, 1, 1, 4]).arrays())
    assert found.columns["segment"].tolist() == [1, 0, 0, 0, 1]
    assert found.sources[1].columns["segment"].tolist() == [1, 0, 0, 0, 1]
    assert list(found.sources) == [1]


def test_a_price_is_cut_into_tenths_of_a_standard_normal() -> None:
    edges = [-1.3, -1.2, -0.8, -0.5, -0.2, 0.1, 0.3, 0.6, 0.9, 1.3]
    assert distributions(partition(price=edges).arrays()).columns["price"].tolist() == [1] * 10
    found = distributions(partition(price=[None, -2.0, 0.1, 0.1, 9.0]).arrays())
    assert found.columns["price"].tolist() == [1, 0, 0, 0, 0, 2, 0, 0, 0, 1]


def test_what_is_null_is_in_no_bin() -> None:
    found = distributions(partition(segment=[None, 1], source=[None, 1]).arrays())
    assert found.columns["segment"].sum() == 1
    assert list(found.sources) == [1]


def test_contents_tell_nulls_ends_contradictions_and_duplicates() -> None:
    found = contents(
        made := partition(
            event_id=["a", "a", "b", "c"],
            price=[None, -1.0, 2.0, 0.0],
            clicked=[1, 0, 1, 0],
            dwell=[5.0, 5.0, None, None],
        ),
        made.arrays(),
    )
    price = found.columns["price"]
    assert (price.nulls, price.low, price.high) == (1, -1.0, 2.0)
    assert (found.contradictions, found.duplicates) == (2, 1)


def test_fingerprints_tell_which_source_differs() -> None:
    columns: dict[str, list[object]] = {"source": [0, 1, 0, 1], "price": [1.0, 2.0, 3.0, 4.0]}
    before = partition(**columns).sources
    after = partition(**{**columns, "price": [1.0, 2.0, 3.0, 9.0]}).sources
    assert before["0"] == after["0"]
    assert before["1"] != after["1"]
    assert list(partition(source=[None, 2]).sources) == ["-1", "2"]


def test_nulls_are_in_no_bin() -> None:
    holes = distributions(partition(customer=[None, 1, 2] * 4, shard=[None, 1, 2] * 4).arrays())
    assert [holes.columns[name].sum() for name in ("customer", "shard", "segment")] == [8, 8, 12]
