from __future__ import annotations

from collections.abc import Collection

import msgspec
import pytest

from reference_stack.layers.drift import Drift, DriftParameters
from reference_stack.layers.evidence import Delivery


def delivery(
    shifts: dict[str, float] | None = None,
    sources: dict[int, dict[str, float]] | None = None,
    rows: int = 5000,
    rest: dict[str, float] | None = None,
    ctr: float | None = None,
) -> Delivery:
    """`rest`: shifts of the rows that are left without source 1."""

    def without(left_out: Collection[int]) -> dict[str, float]:
        assert list(left_out) == [1]
        return rest or {}

    return Delivery(
        day=5.02,
        partition_day=4,
        due_day=5.15,
        missing_day=5.25,
        present=True,
        rows=rows,
        acknowledged=rows,
        watermark_day=4,
        statistics={} if ctr is None else {"ctr": ctr},
        reference={},
        shifts=shifts or {},
        shifts_by_source=sources or {},
        shifts_without=without,
    )


def source(rows: float = 1000.0, dwell: float = 0.1, ctr: float = 1.0) -> dict[str, float]:
    return {"rows": rows, "dwell": dwell, "ctr": ctr}


P = DriftParameters()
LAYER = Drift(P)


@pytest.mark.parametrize("column", ["segment", "shard", "customer", "dwell"])
def test_a_column_on_its_limit_is_fine_and_one_beyond_is_red(column: str) -> None:
    limit = getattr(P, column)
    assert not LAYER.decide(delivery({column: limit})).fired
    decision = LAYER.decide(delivery({column: limit + 0.001}))
    assert decision.acts
    assert not decision.sources
    assert column in decision.says


def test_with_few_rows_noise_is_larger_and_so_are_the_limits() -> None:
    shifted = {"customer": 4 * P.customer}
    assert LAYER.decide(delivery(shifted)).fired
    assert not LAYER.decide(delivery(shifted, rows=P.rows // 4)).fired
    assert LAYER.decide(delivery(shifted, rows=P.rows // 3)).fired


@pytest.mark.parametrize("column", ["segment", "shard", "customer", "dwell"])
@pytest.mark.parametrize(("rows", "wider"), [(P.rows, 1), (P.rows // 2, 2), (1, P.rows), (0, P.rows)])
def test_limits_grow_as_rows_get_fewer(column: str, rows: int, wider: int) -> None:
    limit = getattr(P, column) * wider
    assert not LAYER.decide(delivery({column: limit}, rows=rows)).fired
    assert LAYER.decide(delivery({column: limit * 1.001}, rows=rows)).acts


def test_noise_of_dwell_goes_by_the_rows_that_were_clicked() -> None:
    shifted, ctr = {"dwell": 1.5 * P.dwell}, P.clicks / P.rows
    assert LAYER.decide(delivery(shifted, rows=P.rows, ctr=ctr)).fired
    assert not LAYER.decide(delivery(shifted, rows=P.rows, ctr=ctr / 2)).fired
    assert not LAYER.decide(delivery(shifted, rows=P.rows // 2, ctr=ctr)).fired
    assert not LAYER.decide(delivery(shifted, rows=P.rows // 2, ctr=9 * ctr)).fired


@pytest.mark.parametrize(
    ("fine", "beyond"),
    [
        (source(ctr=P.source_ctr_high), source(ctr=P.source_ctr_high + 0.01)),
        (source(ctr=P.source_ctr_low), source(ctr=P.source_ctr_low - 0.01)),
        (source(dwell=P.source_dwell), source(dwell=P.source_dwell + 0.01)),
        (source(rows=P.min_rows - 1, ctr=99.0), source(rows=P.min_rows, ctr=99.0)),
        (source(rows=P.source_rows / 2, ctr=2 * P.source_ctr_high), source(ctr=2 * P.source_ctr_high)),
        (source(rows=P.source_rows / 2, ctr=P.source_ctr_low / 2), source(ctr=P.source_ctr_low / 2)),
        (source(rows=P.source_rows / 2, dwell=2 * P.source_dwell), source(dwell=2 * P.source_dwell)),
    ],
)
def test_a_source_beyond_its_limits_is_left_out(fine: dict[str, float], beyond: dict[str, float]) -> None:
    assert not LAYER.decide(delivery(sources={1: fine})).fired
    decision = LAYER.decide(delivery(sources={0: source(), 1: beyond}))
    assert (decision.fired, decision.acts, decision.sources) == (True, True, (1,))


def test_a_source_that_is_left_out_explains_the_columns() -> None:
    decision = LAYER.decide(delivery({"dwell": 9.0}, {1: source(ctr=5.0)}))
    assert decision.sources == (1,)


def test_a_source_that_is_left_out_does_not_hide_a_column_that_shifted_in_the_other_rows_too() -> None:
    odd = {0: source(), 1: source(ctr=5.0)}
    decision = LAYER.decide(delivery({"dwell": 9.0}, odd, rest={"dwell": P.dwell * 4500 / 4000 + 0.001}))
    assert (decision.acts, decision.sources) == (True, ())
    assert "source 1" in decision.says
    assert "PSI of dwell" in decision.says
    # 4,000 rows are left, and with fewer rows noise is larger.
    assert LAYER.decide(delivery({"dwell": 9.0}, odd, rest={"dwell": P.dwell * 4500 / 4001})).sources == (1,)


def test_a_column_without_a_limit_is_not_judged() -> None:
    assert not LAYER.decide(delivery({"price": 9.0})).fired


def test_where_most_sources_are_unlike_other_days_it_is_not_the_sources() -> None:
    decision = LAYER.decide(delivery(sources={number: source(ctr=5.0) for number in range(3)}))
    assert (decision.acts, decision.sources) == (True, ())


def test_without_other_days_there_is_nothing_to_say() -> None:
    assert not LAYER.decide(delivery()).fired


def test_where_all_other_days_were_objected_to_it_says_that_it_cannot_judge() -> None:
    decision = LAYER.decide(msgspec.structs.replace(delivery(), objected_days=32))
    assert (decision.fired, decision.acts, decision.judged) == (True, False, False)
    assert "all 32 days" in decision.says


def test_as_many_sources_as_allowed_are_left_out() -> None:
    odd = {0: source(), 1: source(ctr=5.0), 2: source(ctr=5.0)}
    decision = LAYER.decide(msgspec.structs.replace(delivery(sources=odd), shifts_without=None))
    assert (decision.acts, decision.sources) == (True, (1, 2))
