from typing import Any

import msgspec
import pytest

from reference_stack.layers.contract import GREEN, Decision
from reference_stack.layers.evidence import Delivery
from reference_stack.layers.volume import Volume, VolumeParameters

USUAL = {"rows": 4000.0, "distinct_customers": 200.0, "ctr": 0.125, "null_share": 0.02, "join_hit": 1.0}
SOUND = Delivery(
    day=8.2,
    partition_day=7,
    due_day=8.15,
    missing_day=8.25,
    present=True,
    rows=4000,
    acknowledged=4000,
    watermark_day=7,
    statistics=USUAL,
    reference=USUAL,
)


def ask(parameters: VolumeParameters | None = None, **changes: Any) -> Decision:
    evidence = msgspec.structs.replace(SOUND, **changes)
    return Volume(parameters or VolumeParameters()).decide(evidence)


def test_is_green_when_all_rows_came_and_the_day_is_usual():
    assert ask() == GREEN


@pytest.mark.parametrize("rows", [3999, 4001, 0, 8000])
def test_acts_on_any_difference_to_what_was_acknowledged(rows: int):
    decision = ask(rows=rows)
    assert decision.acts
    assert decision.detail == {"rows": rows, "acknowledged": 4000}


def test_an_absent_partition_may_be_late_and_counts_as_no_rows_from_the_moment_it_is_missing():
    assert ask(present=False, rows=0, day=8.2499) == GREEN
    decision = ask(present=False, rows=0, day=8.25)
    assert decision.acts
    assert "absent" in decision.says


def test_an_absent_partition_of_a_day_without_rows_lacks_nothing():
    assert ask(present=False, rows=0, acknowledged=0, statistics={}, day=8.3) == GREEN


def test_a_collector_that_cannot_be_asked_is_a_warning_and_with_an_absent_partition_red():
    present = ask(acknowledged=None)
    assert present.fired
    assert not present.acts
    assert ask(acknowledged=None, present=False, rows=0, day=8.25).acts
    assert ask(acknowledged=None, present=False, rows=0, day=8.2) == GREEN


@pytest.mark.parametrize(
    ("name", "fine", "beyond"),
    [
        ("rows", 0.54 * 4000, 0.539 * 4000),
        ("rows", 1.48 * 4000, 1.481 * 4000),
        ("distinct_customers", 0.72 * 200, 0.719 * 200),
        ("distinct_customers", 1.28 * 200, 1.281 * 200),
        ("ctr", 0.65 * 0.125, 0.649 * 0.125),
        ("ctr", 1.40 * 0.125, 1.401 * 0.125),
        ("null_share", 0.034, 0.0341),
        ("join_hit", 0.979, 0.9789),
    ],
)
def test_warns_of_an_unusual_day_beyond_each_limit_and_never_acts(name: str, fine: float, beyond: float):
    assert ask(statistics={**USUAL, name: fine}) == GREEN
    decision = ask(statistics={**USUAL, name: beyond})
    assert decision.fired
    assert not decision.acts
    assert name in decision.says


def test_an_unusual_day_is_told_by_what_it_is_of_a_usual_one():
    assert ask(statistics={**USUAL, "rows": 2000.0}).says == "rows_ratio 0.5"


def test_without_a_reference_there_is_nothing_to_compare_with():
    assert ask(statistics={**USUAL, "rows": 1.0}, reference={}) == GREEN
    assert ask(statistics={}, reference=USUAL) == GREEN
    assert ask(statistics={**USUAL, "rows": 1.0}, reference={**USUAL, "rows": 0.0}) == GREEN


def test_limits_are_parameters():
    lower = VolumeParameters(rows_low=0.1)
    assert ask(lower, statistics={**USUAL, "rows": 0.2 * 4000}) == GREEN
    assert ask(lower, statistics={**USUAL, "rows": 0.09 * 4000}).fired
