"""Fallback: answer all the same when serving lacks features or a model.

Off: a view waits for its features for as long as `give_up_ms` and then fails, and a replica without a model
fails every view. On: past `features_timeout_ms` the customer's last good features are used, without them the
slate is that of popularity; a replica that cannot reach the registry serves the last model it has on disk.
Such answers say so, and their events too (column `fallback`): what was shown then is trained on like anything
else, since its clicks are weighed by place, and whoever wants to leave it out can.

Falling back has a price (popularity costs a third of the clicks), so the layer objects, and an alert is made,
when more than `alert_share` of the answers of a reporting tick were given in this way.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from reference_stack.layers.contract import GREEN, Decision, Hook
from reference_stack.layers.evidence import Lack


class FallbackParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`alert_share`: share of fallback answers in a reporting tick above which the layer objects."""

    alert_share: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.01


class Fallback:
    """Acts on every lack; an episode ends with the first reporting tick that had answers and no lack."""

    name: ClassVar[str] = "fallback"
    hook: ClassVar[Hook] = Hook.REQUEST
    Parameters: ClassVar[type[msgspec.Struct]] = FallbackParameters

    def __init__(self, parameters: FallbackParameters) -> None:
        self._parameters = parameters

    def decide(self, evidence: Lack) -> Decision:
        """Acts while something is lacking; fires once the share of such answers is above the limit."""
        limit = self._parameters.alert_share
        high = evidence.share > limit
        if not evidence.cause:
            if evidence.share == 0.0:
                return GREEN
            says = f"{evidence.dependency} were lacking for {evidence.share:.1%} of the answers"
        else:
            instead = "last good" if evidence.last_good else "popularity"
            says = f"{evidence.dependency} lacking ({evidence.cause}): {instead} instead"
        if high:
            says += f"; {evidence.share:.1%} of the last tick's answers, limit {limit:.1%}"
        return Decision(fired=high, acts=True, says=says, detail={"share": evidence.share, "limit": limit})
