"""Backlog: more partitions wait than were meant to; what is fresh goes first, and catching up gets a budget.

Off: whatever has arrived is taken in, oldest first, however long that takes; today's partition waits behind
all of it, and so does the daily cycle (McGlohon: pipelines must handle their backlogs). On: while more waits
than a whole window, or the first has waited too long, the newest is taken in first, and no more at a time
than the budget allows, so that the cycle gets its turn in between.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from reference_stack.layers.contract import GREEN, Decision, Hook, red
from reference_stack.layers.evidence import Queue


class BacklogParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`max_waiting` partitions, and how long the first of them may wait, in calendar days.

    On a fault-free day one partition comes and is taken in at once; after a week's delay seven come. With a
    look each 1/24 day, `budget_days` of work at each leave half of the time to the day's own cycle.
    """

    max_waiting: Annotated[int, msgspec.Meta(ge=1)] = 8
    max_wait_days: Annotated[float, msgspec.Meta(ge=0.0)] = 0.3
    budget_days: Annotated[float, msgspec.Meta(gt=0.0)] = 0.02


class Backlog:
    """Acts while too much waits, or for too long; its detail `budget_days` is the work allowed at a time."""

    name: ClassVar[str] = "backlog"
    hook: ClassVar[Hook] = Hook.QUEUE
    Parameters: ClassVar[type[msgspec.Struct]] = BacklogParameters

    def __init__(self, parameters: BacklogParameters) -> None:
        self._parameters = parameters

    def decide(self, evidence: Queue) -> Decision:
        """Red beyond either limit; a value on the limit is fine."""
        p = self._parameters
        if evidence.waiting <= p.max_waiting and evidence.waited_days <= p.max_wait_days:
            return GREEN
        return red(
            f"{evidence.waiting} partitions wait, the first for {evidence.waited_days:.2f} days: the newest "
            f"first, {p.budget_days:g} days of work at a time",
            waiting=evidence.waiting,
            waited_days=evidence.waited_days,
            budget_days=p.budget_days,
        )
