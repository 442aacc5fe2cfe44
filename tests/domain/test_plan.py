from __future__ import annotations

import pytest

from chaos.domain.plan import same_day
from tests.harness import edited, planned


@pytest.mark.parametrize(
    ("start_day", "days", "quiet_day"),
    [(0.0, 6.0, 2.0), (0.0, 1.0, 0.5), (10.0, 16.0, 12.0), (10.0, 11.0, 10.5)],
)
def test_without_a_fault_a_run_is_split_after_two_days_or_in_its_middle(
    start_day: float, days: float, quiet_day: float
) -> None:
    text = edited(kind="quiet", faults=[], expect={"false_alarms": 0})
    arm = planned(text).arms[0].model_copy(update={"start_day": start_day, "days": days})
    assert arm.quiet_day == quiet_day


def test_days_are_told_apart_to_far_less_than_a_second() -> None:
    assert same_day(1.1 + 2.2) == 3.3
    assert same_day(3.3 + 1e-6) != 3.3
