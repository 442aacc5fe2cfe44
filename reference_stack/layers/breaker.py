"""Breaker: stop asking a dependency that keeps failing, and say so at once instead of waiting for it.

Off: every view waits for a dependency that does not answer, for as long as its timeout. On: when half of the
last 20 calls failed, calls fail at once for 50 ms; then one is let through, and its outcome decides (Nygard,
Release It!; figures for a day of a second). What fails so fails loud: no default is put in its place.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from reference_stack.layers.contract import GREEN, Decision, Hook
from reference_stack.layers.evidence import Calls


class BreakerParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Opens at `error_share` of the last `calls` calls, for `open_ms`; objects from the `alert_opens`-th
    opening in a row on, since a single one is what a hiccup looks like.
    """

    error_share: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.5
    calls: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    open_ms: Annotated[float, msgspec.Meta(ge=0.0)] = 50.0
    alert_opens: Annotated[int, msgspec.Meta(ge=1)] = 3


class Breaker:
    """Acts while the breaker is open; an open one lets a call through every `open_ms`."""

    name: ClassVar[str] = "breaker"
    hook: ClassVar[Hook] = Hook.CALL
    Parameters: ClassVar[type[msgspec.Struct]] = BreakerParameters

    def __init__(self, parameters: BreakerParameters) -> None:
        self._parameters = parameters

    def decide(self, evidence: Calls) -> Decision:
        """Whether a call must not be made."""
        p = self._parameters
        fires = evidence.opens >= p.alert_opens
        if evidence.open_for_ms is not None:
            # Until a call has come through, the trouble is not over, also while one is let out to try.
            says = f"{evidence.dependency} failed again: opened {evidence.opens} times in a row"
            acts = evidence.open_for_ms < p.open_ms
            return Decision(fired=fires, acts=acts, says=says, detail={"opens": evidence.opens})
        recent = evidence.failed[-p.calls :]
        failures = sum(recent)
        if len(recent) < p.calls or failures / p.calls < p.error_share:
            return GREEN
        says = f"{failures} of the last {p.calls} calls to {evidence.dependency} failed"
        return Decision(fired=fires, acts=True, says=says, detail={"failures": failures})
