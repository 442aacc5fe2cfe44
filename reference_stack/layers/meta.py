"""Meta: no data is a failure. Page when a component, a metric or a job gives no sign of life.

Off: silence passes for health, and an alert whose metric is gone stays quiet.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from reference_stack.layers.contract import GREEN, Decision, Hook, red
from reference_stack.layers.evidence import Heartbeat


class MetaParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`silence_days`: so long without a sign of life is too long.

    For what speaks more rarely than that (a daily job) the limit is its interval and `grace` of it.
    """

    silence_days: float = 0.2
    grace: float = 0.2


class Meta:
    """Acts while what it watches has been silent for too long."""

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
            return GREEN
        return red(f"no sign of life from {evidence.about}", silent_days=silent, limit_days=limit)
