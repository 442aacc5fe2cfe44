from __future__ import annotations

import pytest

from reference_stack.monitor.board import Board
from reference_stack.monitor.rules import COUNTERS, Limits, engagement, quarantine_share

LIMITS = Limits(fallback_share=0.05, quarantine_share=0.1, engagement_ratio=0.5)


def board(*taken: tuple[float, float, float, float]) -> Board:
    """Of a collector that has accepted, been clicked for and put aside so many rows by a day."""
    made = Board(COUNTERS, 0.0)
    for day, accepted, clicks, bad in taken:
        samples = {
            "collector_accepted_rows_total": accepted,
            "collector_clicks_total": clicks,
            "collector_quarantined_rows_total": bad,
        }
        made.take("collector", samples, day)
    return made


@pytest.mark.parametrize(
    ("accepted", "bad", "finds"), [(90, 10, False), (89, 11, True), (9, 10, False), (10, 10, True)]
)
def test_a_share_of_quarantined_rows_beyond_the_limit_is_found_once_there_are_twenty(
    accepted: float, bad: float, finds: bool
) -> None:
    found = list(quarantine_share(board((1.0, 0, 0, 0), (1.2, accepted, 0, bad)), LIMITS, 1.2))
    assert bool(found) is finds


@pytest.mark.parametrize(
    ("old_clicks", "new_rows", "new_clicks", "finds"),
    [
        (1000, 2000, 99, True),
        (1000, 2000, 100, False),
        (1000, 990, 0, False),  # 99 clicks expected
        (1000, 0, 0, False),
        (99, 200_000, 0, False),
    ],
)
def test_clicks_far_below_those_of_the_days_before_are_found_where_a_hundred_were_expected(
    old_clicks: float, new_rows: float, new_clicks: float, finds: bool
) -> None:
    """A tenth of 10,000 rows was clicked in the days before."""
    taken = (
        (0.0, 0, 0, 0),
        (2.5, 10_000, old_clicks, 0),
        (3.0, 10_000 + new_rows, old_clicks + new_clicks, 0),
    )
    assert bool(list(engagement(board(*taken), LIMITS, 3.0))) is finds
