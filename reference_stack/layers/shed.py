"""Shed: refuse what could not be answered in time, by a concurrency limit that follows the measured delay.

Off: a replica that is asked for more than it can do lets its queue fill, and everybody waits for all of it.
On: limit′ = limit · (minRTT + B) ÷ sampleRTT + √limit, the gradient of Envoy's adaptive concurrency filter
(after Netflix's concurrency-limits). minRTT is the time at a worker, which the server knows, so nothing has
to be slowed down to measure it.

Refusing a request or two is what the layer is for; it objects, and an alert is made, when more than
`alert_share` of the arrivals were refused in each of the last `alert_ticks` reporting ticks (an hour each): a
replica that stood still for a moment refuses most of what has come meanwhile, in one tick or two.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import msgspec

from reference_stack.layers.contract import Decision, Hook
from reference_stack.layers.evidence import Arrival


class ShedParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`buffer_ms` is B, the wait that is thought harmless; the limit counts requests, waiting ones included.

    With B = 15 ms a replica of the default world settles near 11 requests, of which the last waits 28 ms: a
    page view becomes slow at 83 ms, and the limit overshoots at first. With a quarter more shoppers than
    usual a replica refuses up to 8% of them at the busiest hours.
    """

    buffer_ms: Annotated[float, msgspec.Meta(ge=0.0)] = 15.0
    least: Annotated[float, msgspec.Meta(ge=1.0)] = 3.0
    most: Annotated[float, msgspec.Meta(ge=1.0)] = 64.0
    alert_share: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.2
    alert_ticks: Annotated[int, msgspec.Meta(ge=1, le=8)] = 3


class Shed:
    """Acts on an arrival that finds the limit reached; `limit` of the detail is the one now in force."""

    name: ClassVar[str] = "shed"
    hook: ClassVar[Hook] = Hook.ARRIVAL
    Parameters: ClassVar[type[msgspec.Struct]] = ShedParameters

    def __init__(self, parameters: ShedParameters) -> None:
        self._parameters = parameters

    def decide(self, evidence: Arrival) -> Decision:
        """Whether this request is too many, and the limit for those that follow."""
        p = self._parameters
        limit = p.most if evidence.limit is None else evidence.limit
        if evidence.sample_ms:
            gradient = (evidence.least_ms + p.buffer_ms) / evidence.sample_ms
            limit = limit * gradient + math.sqrt(limit)
        limit = min(max(limit, p.least), max(p.least, p.most))
        lately = evidence.shares[-p.alert_ticks :]
        share = min(lately) if len(lately) == p.alert_ticks else 0.0
        over, high = evidence.in_flight >= limit, share > p.alert_share
        says = ""
        if over or high:
            says = f"{evidence.in_flight} requests under way, limit {limit:.0f}"
        if high:
            says += f"; {share:.1%} or more refused, {p.alert_ticks} ticks long, limit {p.alert_share:.1%}"
        return Decision(fired=high, acts=over, says=says, detail={"limit": limit, "share": share})
