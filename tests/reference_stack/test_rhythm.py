from __future__ import annotations

import pytest

from reference_stack.rhythm import next_due


@pytest.mark.parametrize(
    ("due", "day", "expected"),
    [
        (3.0, 3.0, 3.1),
        (3.0, 3.02, 3.1),
        (3.0, 3.55, 3.55),  # what was missed is left out
        (5.0, 3.0, 3.1),  # a clock that was two days ahead was set right
    ],
)
def test_the_next_moment(due: float, day: float, expected: float) -> None:
    assert next_due(due, day, 0.1) == pytest.approx(expected)
