"""Meta: no data is a failure. Page when a component, a metric or a job gives no sign of life, or one from
another time.

Off: silence passes for health, an alert whose metric is gone stays quiet, and a clock may be days off.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from reference_stack.layers.contract import GREEN, Decision, Hook, red
from reference_stack.layers.evidence import Heartbeat


class MetaParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`silence_days`: so long without a sign of life is too long.

    For what speaks more rarely than that (a daily job) the limit is its interval and `grace` of it. A clock
    may be off by `clock_days`: an answer that the monitor still waits for is 0.15 days old at most.
    """

    silence_days: float = 0.2
    grace: float = 0.2
    clock_days: float = 0.3


class Meta:
    """Acts while what it watches has been silent for too long, or speaks of another day."""

    name: ClassVar[str] = "meta"
    hook: ClassVar[Hook] = Hook.HEARTBEAT
    Parameters: ClassVar[type[msgspec.Struct]] = MetaParameters

    def __init__(self, parameters: MetaParameters) -> None:
        self._parameters = parameters

    def decide(self, evidence: Heartbeat) -> Decision:
        """Red past the limit, or when there has never been a sign of life."""
        if evidence.last_seen_day is None:
            return red(f"{evidence.about} never gave a sign of life")
        p = self._parameters
        limit = max(p.silence_days, evidence.every_days * (1.0 + p.grace))
        silent = evidence.day - evidence.last_seen_day
        if silent <= limit:
            return self._clock(evidence)
        return red(f"no sign of life from {evidence.about}", silent_days=silent, limit_days=limit)

    def _clock(self, evidence: Heartbeat) -> Decision:
        if abs(evidence.ahead_days) <= self._parameters.clock_days:
            return GREEN
        way = "ahead" if evidence.ahead_days > 0 else "behind"
        says = f"{evidence.about} is {abs(evidence.ahead_days):.2f} days {way}"
        return red(says, ahead_days=evidence.ahead_days)
