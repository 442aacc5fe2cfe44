"""How a day's rows are distributed, and how far that is from other days: the population stability index.

Columns that shoppers bring are looked at. What the recommender itself moves (product, category, price) shifts
on healthy days too (world.md: a fault-free 95% quantile of 0.15 to 0.7); of those, price is shown as well, to
gates that want it, and `drift` has no limit for it.

PSI of shares p against q is Σ (p − q)·ln(p ÷ q), the sum of both relative entropies. Half a row is added to
each bin, so that an empty one is no infinity. Source: Siddiqi, Credit Risk Scorecards, 2006.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reference_stack.features.impressions import FloatArray, IntArray

SEGMENTS, SHARDS, CUSTOMER_BINS, SOURCES = 5, 4, 10, 4
DWELL_EDGES = (9.3, 12.1, 14.6, 17.2, 20.0, 23.2, 27.3, 33.1, 43.1)
"""Seconds: deciles of a dwell of 20 s · exp(0.6 · N(0, 1)), as shoppers' is (world.md, Formulas)."""
PRICE_EDGES = (-1.2816, -0.8416, -0.5244, -0.2533, 0.0, 0.2533, 0.5244, 0.8416, 1.2816)
"""Deciles of a standard normal price (world.md, Formulas)."""
_SPREAD = 2_654_435_761
"""Knuth's multiplier: neighbouring customers fall into different bins."""


@dataclass(frozen=True)
class SourceCounts:
    """One source's rows of a day: how many, how many clicked, and how long those were read."""

    rows: int
    clicks: int
    columns: Mapping[str, IntArray]
    """As those of all rows."""


@dataclass(frozen=True)
class Distributions:
    """A day's rows by bins."""

    columns: Mapping[str, IntArray]
    """segment (5,), shard (4,), customer (10,), price (10,), and dwell (10,) of clicked rows."""
    sources: Mapping[int, SourceCounts]

    def without(self, sources: Collection[int]) -> Mapping[str, IntArray]:
        """The columns of all rows but those of some sources."""
        gone = [self.sources[number].columns for number in sources if number in self.sources]
        if not gone:
            return self.columns
        return {
            name: counts - sum((columns[name] for columns in gone), np.zeros_like(counts))
            for name, counts in self.columns.items()
        }


def distributions(arrays: Mapping[str, npt.NDArray[Any]]) -> Distributions:
    """Of a partition's `arrays` (see Partition.arrays); what is null is in no bin."""
    clicked = (arrays["clicked"] == 1) & ~np.isnan(arrays["dwell"])
    customer = arrays["customer"]
    spread = np.floor(np.nan_to_num(customer)).astype(np.int64) * _SPREAD % 2**32 % CUSTOMER_BINS
    known = ~np.isnan(arrays["price"])
    bins = {
        "segment": (_whole(arrays["segment"], SEGMENTS), SEGMENTS),
        "shard": (_whole(arrays["shard"], SHARDS), SHARDS),
        "customer": (np.where(np.isnan(customer), -1, spread), CUSTOMER_BINS),
        "price": _cut(arrays["price"], PRICE_EDGES, known),
        "dwell": _cut(arrays["dwell"], DWELL_EDGES, clicked),
    }
    # A row of each source, and a last one for rows of none.
    source = np.where(_whole(arrays["source"], SOURCES) < 0, SOURCES, arrays["source"]).astype(np.int64)
    counts = {name: _counted(source, found, size) for name, (found, size) in bins.items()}
    rows = np.bincount(source, minlength=SOURCES + 1)
    clicks = np.bincount(source[clicked], minlength=SOURCES + 1)
    return Distributions(
        columns={name: counted.sum(axis=0) for name, counted in counts.items()},
        sources={
            number: SourceCounts(
                int(rows[number]), int(clicks[number]), {name: one[number] for name, one in counts.items()}
            )
            for number in range(SOURCES)
            if rows[number]
        },
    )


def psi(counts: IntArray, reference: IntArray) -> float:
    """The population stability index of `counts` against `reference`, both of shape (bins,)."""
    p, q = _shares(counts), _shares(reference)
    return float((p - q) @ np.log(p / q))


def shifts(
    day: Distributions, before: Sequence[Distributions], left_out: Collection[int] = ()
) -> dict[str, float]:
    """PSI of each column against the days `before` taken together; nothing where there is none.

    Rows of sources that are `left_out` count on neither side.
    """
    columns = day.without(left_out)
    if not before or not any(counts.sum() for counts in columns.values()):
        return {}
    others = [other.without(left_out) for other in before]
    return {
        name: psi(counts, np.sum([other[name] for other in others], axis=0))
        for name, counts in columns.items()
    }


def shifts_by_source(day: Distributions, before: Sequence[Distributions]) -> dict[int, dict[str, float]]:
    """Of each source of the day: `rows`, PSI of `dwell`, and `ctr`: clicks per row ÷ those `before`."""
    found: dict[int, dict[str, float]] = {}
    for number, counts in day.sources.items():
        others = [other.sources[number] for other in before if number in other.sources]
        rows, clicks = sum(other.rows for other in others), sum(other.clicks for other in others)
        if clicks:
            known = np.sum([other.columns["dwell"] for other in others], axis=0)
            found[number] = {
                "rows": float(counts.rows),
                "dwell": psi(counts.columns["dwell"], known),
                "ctr": counts.clicks / counts.rows * rows / clicks,
            }
    return found


def _whole(values: FloatArray, size: int) -> IntArray:
    """Each row's bin, -1 for none."""
    inside = (values >= 0) & (values < size)
    return np.where(inside, np.where(inside, values, 0.0), -1.0).astype(np.int64)


def _cut(values: FloatArray, edges: Sequence[float], known: npt.NDArray[np.bool_]) -> tuple[IntArray, int]:
    bins = np.searchsorted(edges, values, side="right")
    return np.where(known, bins, -1), len(edges) + 1


def _counted(source: IntArray, bins: IntArray, size: int) -> IntArray:
    """(SOURCES + 1, size) rows by source and bin."""
    # One column more, the first, for the rows in no bin.
    flat = np.bincount(source * (size + 1) + bins + 1, minlength=(SOURCES + 1) * (size + 1))
    return flat.reshape(SOURCES + 1, size + 1)[:, 1:]


def _shares(counts: IntArray) -> FloatArray:
    raised = counts + 0.5
    shares: FloatArray = raised / raised.sum()
    return shares
