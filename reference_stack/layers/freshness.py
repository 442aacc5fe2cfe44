"""Freshness: a service-level objective on the watermark, the day up to which all data is in.

Off: nobody notices that a partition does not come. On: first a warning, then a red data gate.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from reference_stack.layers.contract import GREEN, Decision, Hook, red, warn
from reference_stack.layers.evidence import Delivery


class FreshnessParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Lateness in calendar days, counted from the moment at which the partition was due.

    Half a day to warn leaves the night's cycle time to pick the partition up; one day late, a whole
    retraining has gone without it.
    """

    warn_days: float = 0.5
    error_days: float = 1.0


class Freshness:
    """Warns of a partition that is `warn_days` late and acts when it is `error_days` late."""

    name: ClassVar[str] = "freshness"
    hook: ClassVar[Hook] = Hook.DELIVERY
    Parameters: ClassVar[type[msgspec.Struct]] = FreshnessParameters

    def __init__(self, parameters: FreshnessParameters) -> None:
        self._parameters = parameters

    def decide(self, evidence: Delivery) -> Decision:
        """Green while the partition is there or not that late."""
        if evidence.present:
            return GREEN
        late_days = evidence.day - evidence.due_day
        watermark = "none" if evidence.watermark_day is None else evidence.watermark_day
        says = (
            f"partition of day {evidence.partition_day} is {late_days:.2f} days late, watermark {watermark}"
        )
        if late_days >= self._parameters.error_days:
            return red(says, late_days=late_days)
        if late_days >= self._parameters.warn_days:
            return warn(says, late_days=late_days)
        return GREEN
