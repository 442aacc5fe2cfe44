"""Volume: is the partition complete, and does the day look like other days?

Off: whatever was delivered is trained on, be it nothing.

It acts (the day's data gate is red, and retraining may be held) only where rows delivered differ from rows
that the collector acknowledged for that day; once it is later than the integrity requirement of its link
allows, an absent partition counts as 0 rows. A fall or rise
that the collector saw too is worth a warning and holds nothing: a gate that holds on a low count latches,
since shoppers who stay away and come back look just like it (world.md: 704 %-days of harm against 523).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import msgspec

from reference_stack.layers.contract import GREEN, Decision, Hook, red, warn
from reference_stack.layers.evidence import Delivery


class VolumeParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits beyond which a day is warned about; a value on the limit is fine.

    The defaults are world.md's for V = 600: median ± 6 robust standard deviations over 600 or more
    fault-free days (0.4% of fault-free days beyond one of 14 such limits). `rows`, `customers` and `ctr` are
    ratios to the median of the trailing 7 unflagged days; `null_share` and `join_hit` are shares of rows.
    """

    rows_low: float = 0.54
    rows_high: float = 1.48
    customers_low: float = 0.72
    customers_high: float = 1.28
    ctr_low: float = 0.65
    ctr_high: float = 1.40
    null_share_high: float = 0.034
    join_hit_low: float = 0.979


class Volume:
    """Acts on rows lost or gained between collector and features; warns of an unusual day."""

    name: ClassVar[str] = "volume"
    hook: ClassVar[Hook] = Hook.DELIVERY
    Parameters: ClassVar[type[msgspec.Struct]] = VolumeParameters

    def __init__(self, parameters: VolumeParameters) -> None:
        self._parameters = parameters

    def decide(self, evidence: Delivery) -> Decision:
        """Red on a difference; a warning where the day is unusual or the collector cannot be asked.

        An absent partition is red too when the collector cannot say how many rows it should have had: the
        collector writes one even for a day without views.
        """
        if not evidence.present and evidence.day < evidence.missing_day:
            return GREEN
        if evidence.acknowledged is None:
            if not evidence.present:
                return red("absent, and the collector cannot say how many rows it took", rows=0)
            return warn("the collector cannot say how many rows it took", rows=evidence.rows)
        if evidence.rows != evidence.acknowledged:
            what = "delivered" if evidence.present else "delivered (absent)"
            return red(
                f"{evidence.rows} rows {what}, {evidence.acknowledged} acknowledged",
                rows=evidence.rows,
                acknowledged=evidence.acknowledged,
            )
        unusual = dict(self._unusual(evidence.statistics, evidence.reference))
        if unusual:
            return warn(", ".join(f"{name} {value:.3g}" for name, value in unusual.items()), **unusual)
        return GREEN

    def _unusual(
        self, statistics: Mapping[str, float], reference: Mapping[str, float]
    ) -> Iterator[tuple[str, float]]:
        p = self._parameters
        for name, low, high in (
            ("rows", p.rows_low, p.rows_high),
            ("distinct_customers", p.customers_low, p.customers_high),
            ("ctr", p.ctr_low, p.ctr_high),
        ):
            usual = reference.get(name, 0.0)
            if name in statistics and usual > 0 and not low <= statistics[name] / usual <= high:
                yield f"{name}_ratio", statistics[name] / usual
        if statistics.get("null_share", 0.0) > p.null_share_high:
            yield "null_share", statistics["null_share"]
        if statistics.get("join_hit", 1.0) < p.join_hit_low:
            yield "join_hit", statistics["join_hit"]
