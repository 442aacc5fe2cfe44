"""Drift: is the day's data distributed as other days' were?

Off: values that are well formed are trained on, however unlike other days they are.

Two things are looked at, both on what shoppers bring: the population stability index of each column, and for
each source of products its click-through and dwell. A column that has shifted makes the day's data gate red.
Where it is some sources only, their rows of that day are left out and retraining goes on without them, unless
a column has shifted in the rows that are left, too.

A shift that lasts for longer than the days looked back on leaves no day to compare with. That is a warning,
for one day: the day after is compared with this one, else nothing would ever be judged again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from reference_stack.layers.contract import GREEN, Decision, Hook, red, unsure
from reference_stack.layers.evidence import Delivery


class DriftParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits beyond which a day is red; a value on the limit is fine. A source's `ctr` is a ratio.

    Fixed limits of columns, world.md's at V = 600: median + 6 robust standard deviations of fault-free days.
    They hold from `rows` rows a day on, that of dwell, which only clicked rows have, from `clicks` clicks on
    too; with fewer, noise grows in inverse proportion and so do the limits, since a gate that holds because
    shoppers stay away would keep them away (world.md). So do a source's limits below `source_rows` rows of
    it; with fewer than `min_rows` it is not judged, and with more than `max_sources` out of bounds it is not
    the sources.
    """

    rows: int = 4500
    clicks: int = 575
    segment: float = 0.067
    shard: float = 0.053
    customer: float = 0.108
    dwell: float = 0.088
    source_dwell: float = 0.8
    source_ctr_low: float = 0.2
    source_ctr_high: float = 3.0
    source_rows: int = 600
    min_rows: int = 150
    max_sources: int = 2


class Drift:
    """Red where a column has shifted; where it is a source, that source's rows are left out instead."""

    name: ClassVar[str] = "drift"
    hook: ClassVar[Hook] = Hook.DELIVERY
    Parameters: ClassVar[type[msgspec.Struct]] = DriftParameters

    def __init__(self, parameters: DriftParameters) -> None:
        self._parameters = parameters

    def decide(self, evidence: Delivery) -> Decision:
        """Green where there has been nothing to compare with."""
        p = self._parameters
        if evidence.objected_days:
            return unsure(f"cannot be judged: all {evidence.objected_days} days before it were objected to")
        sources = {
            source: figures
            for source, figures in evidence.shifts_by_source.items()
            if figures["rows"] >= p.min_rows and self._is_odd(figures)
        }
        ctr = evidence.statistics.get("ctr")
        if sources and len(sources) <= p.max_sources:
            says = "; ".join(
                f"source {source}: {figures['ctr']:.2f} times the clicks, PSI of dwell {figures['dwell']:.2f}"
                for source, figures in sorted(sources.items())
            )
            rest = self._shifted(
                evidence.shifts_without(sources) if evidence.shifts_without is not None else {},
                evidence.rows - round(sum(figures["rows"] for figures in sources.values())),
                ctr,
            )
            if rest:
                return red(f"{says}; without that {_told(rest)}", **rest)
            return Decision(fired=True, acts=True, says=f"{says}: left out", sources=tuple(sorted(sources)))
        if sources:
            return red(f"sources {', '.join(map(str, sorted(sources)))} all unlike other days")
        if shifted := self._shifted(evidence.shifts, evidence.rows, ctr):
            return red(_told(shifted), **shifted)
        return GREEN

    def _is_odd(self, figures: Mapping[str, float]) -> bool:
        p = self._parameters
        wider = max(1.0, p.source_rows / figures["rows"])
        least, most = p.source_ctr_low / wider, p.source_ctr_high * wider
        return figures["dwell"] > p.source_dwell * wider or not least <= figures["ctr"] <= most

    def _shifted(self, shifts: Mapping[str, float], rows: int, ctr: float | None) -> dict[str, float]:
        p = self._parameters
        wider = max(1.0, p.rows / max(1, rows))
        of_clicks = wider if ctr is None else max(wider, p.clicks / max(1.0, ctr * rows))
        limits = {
            "segment": p.segment * wider,
            "shard": p.shard * wider,
            "customer": p.customer * wider,
            "dwell": p.dwell * of_clicks,
        }
        return {name: shifts[name] for name in limits if shifts.get(name, 0.0) > limits[name]}


def _told(shifted: Mapping[str, float]) -> str:
    return ", ".join(f"PSI of {name} {value:.3f}" for name, value in sorted(shifted.items()))
