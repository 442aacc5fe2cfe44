from __future__ import annotations

import pytest

from reference_stack.layers.backlog import Backlog, BacklogParameters
from reference_stack.layers.contract import GREEN
from reference_stack.layers.evidence import Queue


@pytest.mark.parametrize(
    ("waiting", "waited_days", "acts"),
    [(0, 0.0, False), (1, 0.0, False), (8, 0.3, False), (9, 0.0, True), (1, 0.31, True), (400, 1.5, True)],
)
def test_a_week_may_wait_and_not_for_long(waiting, waited_days, acts):
    decision = Backlog(BacklogParameters()).decide(Queue(5.0, waiting, waited_days))
    assert (decision.fired, decision.acts) == (acts, acts)
    if not acts:
        assert decision == GREEN


def test_it_says_what_may_be_worked_off_at_a_time():
    decision = Backlog(BacklogParameters(max_waiting=2, budget_days=0.1)).decide(Queue(5.0, 3, 0.05))
    assert decision.detail["budget_days"] == 0.1
    assert decision.says == (
        "3 partitions wait, the first for 0.05 days: the newest first, 0.1 days of work at a time"
    )
