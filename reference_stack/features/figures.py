"""What a day's partition looks like in a few figures, and what other days looked like."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reference_stack.collector.partition import NUMBERS, TEXTS, Partition
from reference_stack.features.contents import contents
from reference_stack.features.distributions import Distributions, distributions
from reference_stack.features.impressions import IntArray
from reference_stack.layers.evidence import Contents

_MUST_BE_THERE = tuple(name for name in NUMBERS if name != "dwell")
TRAILING_DAYS = 7
_LOOK_BACK_DAYS = 32
"""As far as the figures of days are kept, less a window: a fault that lasts must not become the rule."""


@dataclass(frozen=True)
class DayFigures:
    """Counts of one partition."""

    rows: int
    customers: IntArray
    """(n,) ids seen, ascending."""
    customer_rows: IntArray
    """(n,) rows of each."""
    unusable: int
    """Rows with a null where none should be: anywhere but in dwell, or in dwell after a click."""
    clicks: int
    distributions: Distributions
    contents: Contents


def figures(partition: Partition) -> DayFigures:
    """The figures of a partition."""
    arrays = partition.arrays()
    clicked = arrays["clicked"] > 0
    unusable = clicked & np.isnan(arrays["dwell"])
    for name in _MUST_BE_THERE:
        unusable |= np.isnan(arrays[name])
    for name in TEXTS:
        if (column := partition.table.column(name)).null_count:
            unusable |= column.is_null().to_numpy()
    known = arrays["customer"][~np.isnan(arrays["customer"])].astype(np.int64)
    customers, rows = np.unique(known, return_counts=True)
    return DayFigures(
        rows=len(clicked),
        customers=customers,
        customer_rows=rows.astype(np.int64),
        unusable=int(unusable.sum()),
        clicks=int(clicked.sum()),
        distributions=distributions(arrays),
        contents=contents(partition, arrays),
    )


def statistics(day: DayFigures, before: Iterable[DayFigures]) -> dict[str, float]:
    """What the DELIVERY layers are shown of a day.

    `join_hit` is the share of rows whose customer the days `before` (those of the window) know; it is left
    out where they know nobody, and all shares are where the day has no rows.
    """
    found = {"rows": float(day.rows), "distinct_customers": float(len(day.customers))}
    if not day.rows:
        return found
    found |= {"null_share": day.unusable / day.rows, "ctr": day.clicks / day.rows}
    known = [other.customers for other in before if len(other.customers)]
    if known:
        hits = np.isin(day.customers, np.concatenate(known))
        found["join_hit"] = float(day.customer_rows[hits].sum()) / day.rows
    return found


def trailing(before_day: int, flagged: frozenset[int], there: Callable[[int], bool]) -> list[int]:
    """The trailing 7 days that are there and were not flagged, looking back 32 days at most; latest first."""
    return [day for day in _looked_at(before_day) if day not in flagged and there(day)][:TRAILING_DAYS]


def passed_over(before_day: int, flagged: frozenset[int], there: Callable[[int], bool]) -> int:
    """How many days are there of those that `trailing` looks at, and were flagged."""
    return sum(day in flagged and there(day) for day in _looked_at(before_day))


def _looked_at(before_day: int) -> range:
    return range(before_day - 1, before_day - 1 - _LOOK_BACK_DAYS, -1)


def reference(days: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Medians of the statistics of some days."""
    names = sorted({name for day in days for name in day})
    return {name: float(np.median([day[name] for day in days if name in day])) for name in names}
