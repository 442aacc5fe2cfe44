"""Rows as served against rows as stored."""

from __future__ import annotations

import math

import pytest
from msgspec.structs import replace

from reference_stack.comparing import RecomputeReply, SampleReply, Used
from reference_stack.messages import LookupReply
from reference_stack.monitor.comparison import difference, differences
from reference_stack.ports import NotFound

STORED = LookupReply("day=3-aa", 3.1, [1, 2], [0.5, -0.25], [0.0, 0.1, 0.2])


class Replica:
    def __init__(self, *used: LookupReply) -> None:
        self.used = used

    async def call(self, _operation, _request, *, timeout_ms):
        return SampleReply([Used(7, features) for features in self.used])


class Store:
    async def call(self, _operation, request, *, timeout_ms):
        if request.snapshot != STORED.snapshot:
            raise NotFound("not kept")
        return RecomputeReply([STORED for _ in request.customers])


def compare(*used: LookupReply) -> list[float]:
    with pytest.raises(StopIteration) as ended:
        differences(Replica(*used), Store(), 10.0).send(None)
    found: list[float] = ended.value.value
    return found


@pytest.mark.parametrize(
    ("served", "expected"),
    [
        (STORED, 0.0),
        (replace(STORED, values=[0.5, -0.26]), pytest.approx(0.01 / 0.26)),
        (replace(STORED, affinities=[0.0, 10.0, 20.0]), pytest.approx(0.99)),
        (replace(STORED, values=[0.5, 0.25]), pytest.approx(2.0)),
        (replace(STORED, values=[0.5, math.nan]), math.inf),
        (replace(STORED, products=[1, 3]), math.inf),
        (replace(STORED, affinities=[0.0]), math.inf),
        (replace(STORED, values=[0.5]), math.inf),
    ],
)
def test_the_largest_relative_difference_of_a_row(served, expected):
    assert difference(served, STORED) == expected


def test_defaults_and_snapshots_that_are_gone_are_left_out():
    gone = replace(STORED, snapshot="day=1-bb")
    assert compare(gone, STORED) == [0.0]
    assert compare(STORED, gone, replace(STORED, defaulted=True), STORED) == [0.0, 0.0]


def test_what_is_no_number_on_both_sides_is_not_the_same():
    holed = replace(STORED, values=[0.5, math.nan])
    assert difference(holed, holed) == math.inf
