"""Burn: page when the error budget of the shop's views burns too fast.

Off: nobody is paged for bad views. Multi-window, multi-burn-rate alerting after the Google SRE workbook
(chapter 5), with windows for a shop whose day is short: a long window so that the loss is real, a short one
so that the alert ends when the trouble does.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from reference_stack.layers.contract import GREEN, Decision, Hook, red
from reference_stack.layers.evidence import ServiceLevel

Window = Annotated[float, msgspec.Meta(gt=0.0, le=3.25)]
"""In days; the monitor remembers no longer than that."""


class BurnParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`objective`: share of good views; a rate of 1 uses up the budget (1 − objective) exactly.

    A pair of windows pages when both burn at `*_rate` times the budget or faster, and the short one has at
    least `min_views` views.
    """

    objective: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.99
    fast_rate: float = 14.4
    fast_long_days: Window = 1.0
    fast_short_days: Window = 0.1
    slow_rate: float = 6.0
    slow_long_days: Window = 3.0
    slow_short_days: Window = 0.5
    min_views: int = 20


class Burn:
    """Acts while either pair of windows burns."""

    name: ClassVar[str] = "burn"
    hook: ClassVar[Hook] = Hook.SERVICE_LEVEL
    Parameters: ClassVar[type[msgspec.Struct]] = BurnParameters

    def __init__(self, parameters: BurnParameters) -> None:
        self._parameters = parameters

    def decide(self, evidence: ServiceLevel) -> Decision:
        """Red when the budget burns too fast over a long and a short window at once."""
        p = self._parameters
        pairs = (
            (p.fast_rate, p.fast_long_days, p.fast_short_days),
            (p.slow_rate, p.slow_long_days, p.slow_short_days),
        )
        for limit, long_days, short_days in pairs:
            if evidence.views[short_days] < max(p.min_views, 1):
                continue
            short, long = self._rate(evidence, short_days), self._rate(evidence, long_days)
            if short >= limit and long >= limit:
                return red(
                    f"error budget burns {short:.0f}× over {short_days:g} d and {long:.0f}× over "
                    f"{long_days:g} d (limit {limit:g}×)",
                    short_rate=short,
                    long_rate=long,
                    limit=limit,
                )
        return GREEN

    def _rate(self, evidence: ServiceLevel, days: float) -> float:
        views = evidence.views[days]
        bad_share = 1.0 - evidence.good[days] / views if views else 0.0
        # Rounded: 1 − 0.99 is a little more than 0.01, and 14.4% of bad views less than 14.4 times that.
        return round(bad_share / (1.0 - self._parameters.objective), 9)
