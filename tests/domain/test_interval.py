from __future__ import annotations

import pytest

from chaos.domain.interval import share_interval


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        (0, 10, 0.0, 0.217),  # Brown, Cai, DasGupta 2001, table 5
        (1, 10, 0.011, 0.381),
        (5, 10, 0.224, 0.776),
        (10, 10, 0.783, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_the_interval_is_that_of_the_published_table(count: int, of: int, low: float, high: float) -> None:
    assert share_interval(count, of) == pytest.approx((low, high), abs=0.0006)


def test_more_trials_say_more() -> None:
    assert share_interval(100, 100)[0] > share_interval(10, 10)[0]
