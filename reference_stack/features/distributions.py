"""How a day's rows are distributed, and how far that is from other days: the population stability index.

Only columns that shoppers bring are looked at: what the recommender itself moves (product, category, price)
shifts on healthy days too (world.md: a fault-free 95% quantile of 0.15 to 0.7).

PSI of shares p against q is Σ (p − q)·ln(p ÷ q), the sum of both relative entropies. Half a row is added to
each bin, so that an empty one is no infinity. Source: Siddiqi, Credit Risk Scorecards, 2006.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reference_stack.features.impressions import FloatArray, IntArray

SEGMENTS, SHARDS, CUSTOMER_BINS, SOURCES = 5, 4, 10, 4
DWELL_EDGES = (9.3, 12.1, 14.6, 17.2, 20.0, 23.2, 27.3, 33.1, 43.1)
"""Seconds: deciles of a dwell of 20 s · exp(0.6 · N(0, 1)), as shoppers' is (world.md, Formulas)."""
_SPREAD = 2_654_435_761
"""Knuth's multiplier: neighbouring customers fall into different bins."""


@dataclass(frozen=True)
class SourceCounts:
    """One source's rows of a day: how many, how many clicked, and how long those were read."""

    rows: int
    clicks: int
    dwell: IntArray
    """(10,) clicked rows by dwell."""


@dataclass(frozen=True)
class Distributions:
    """A day's rows by bins."""

    columns: Mapping[str, IntArray]
    """segment (5,), shard (4,), customer (10,), dwell (10,), of clicked rows."""
    sources: Mapping[int, SourceCounts]


def distributions(arrays: Mapping[str, npt.NDArray[Any]]) -> Distributions:
    """Of a partition's `arrays` (see Partition.arrays); what is null is in no bin."""
    clicked = (arrays["clicked"] == 1) & ~np.isnan(arrays["dwell"])
    bins = np.searchsorted(DWELL_EDGES, arrays["dwell"][clicked], side="right")
    source = arrays["source"]
    spread = np.floor(np.nan_to_num(arrays["customer"])).astype(np.int64) * _SPREAD % 2**32 % CUSTOMER_BINS
    sources = {}
    for number in range(SOURCES):
        mine = source == number
        if mine.any():
            dwell = np.bincount(bins[mine[clicked]], minlength=len(DWELL_EDGES) + 1)
            sources[number] = SourceCounts(int(mine.sum()), int((mine & clicked).sum()), dwell)
    return Distributions(
        columns={
            "segment": _counted(arrays["segment"], SEGMENTS),
            "shard": _counted(arrays["shard"], SHARDS),
            "customer": np.bincount(spread, minlength=CUSTOMER_BINS),
            "dwell": np.bincount(bins, minlength=len(DWELL_EDGES) + 1),
        },
        sources=sources,
    )


def psi(counts: IntArray, reference: IntArray) -> float:
    """The population stability index of `counts` against `reference`, both of shape (bins,)."""
    p, q = _shares(counts), _shares(reference)
    return float((p - q) @ np.log(p / q))


def shifts(day: Distributions, before: Sequence[Distributions]) -> dict[str, float]:
    """PSI of each column against the days `before` taken together; nothing where there is none."""
    if not before or not any(counts.sum() for counts in day.columns.values()):
        return {}
    return {
        name: psi(counts, np.sum([other.columns[name] for other in before], axis=0))
        for name, counts in day.columns.items()
    }


def shifts_by_source(day: Distributions, before: Sequence[Distributions]) -> dict[int, dict[str, float]]:
    """Of each source of the day: `rows`, PSI of `dwell`, and `ctr`: clicks per row ÷ those `before`."""
    found: dict[int, dict[str, float]] = {}
    for number, counts in day.sources.items():
        others = [other.sources[number] for other in before if number in other.sources]
        rows, clicks = sum(other.rows for other in others), sum(other.clicks for other in others)
        if clicks:
            known = np.sum([other.dwell for other in others], axis=0)
            found[number] = {
                "rows": float(counts.rows),
                "dwell": psi(counts.dwell, known),
                "ctr": counts.clicks / counts.rows * rows / clicks,
            }
    return found


def _counted(values: FloatArray, size: int) -> IntArray:
    known = values[(values >= 0) & (values < size)].astype(np.int64)
    return np.bincount(known, minlength=size)


def _shares(counts: IntArray) -> FloatArray:
    raised = counts + 0.5
    shares: FloatArray = raised / raised.sum()
    return shares
