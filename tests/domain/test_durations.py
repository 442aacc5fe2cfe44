from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.domain.durations import format_days, format_ms, parse_days, parse_ms


@pytest.mark.parametrize(("text", "days"), [("5d", 5.0), ("0.1d", 0.1), ("6h", 0.25), (" 2d ", 2.0)])
def test_calendar_lengths(text: str, days: float) -> None:
    assert parse_days(text) == days


@pytest.mark.parametrize(("text", "ms"), [("225ms", 225.0), ("2s", 2000.0), ("0.5ms", 0.5)])
def test_operational_lengths(text: str, ms: float) -> None:
    assert parse_ms(text) == ms


@pytest.mark.parametrize("value", ["5", 5, 5.0, None, "", "d", "-1d", "1e3d", "5 days", True])
def test_a_calendar_length_needs_its_clock(value: object) -> None:
    with pytest.raises(ValueError, match="not a calendar length"):
        parse_days(value)


def test_the_other_clock_is_named() -> None:
    with pytest.raises(ValueError, match="operational clock"):
        parse_days("225ms")
    with pytest.raises(ValueError, match="on the calendar"):
        parse_ms("5d")


@given(st.floats(min_value=0, max_value=1e6, allow_nan=False).map(lambda x: round(x, 6)))
def test_what_is_written_is_read_again(value: float) -> None:
    if "e" not in repr(value):
        assert parse_days(format_days(value)) == value
        assert parse_ms(format_ms(value)) == value
