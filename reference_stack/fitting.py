"""The costs of virtual time from samples of live runs, and a table of them.

Estimators, all by quantiles, since a machine's hiccups and a link's faults are in the upper tail:

- A way over a link is a shift plus an exponential delay. A call without what the other end took of it is two
  such ways, hence two shifts plus an Erlang-2 delay, whose scale follows from the distance of the 10% and the
  50% quantile, and the shift from the median (quantiles of the gamma distribution with shape 2: Johnson, Kotz
  and Balakrishnan, Continuous Univariate Distributions, vol. 1, ch. 17).
- Handling and blocking work are constants: the median.
- The registry is not a component of the stack's own when it is MLflow's server, and says nothing of what it
  takes: it is the median of whole calls without the two ways.

The interval is the distribution-free one of a median, from order statistics (David and Nagaraja, Order
Statistics, ch. 7.1).
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from reference_stack.costs import Costs, Way
from reference_stack.traces import Traces
from reference_stack.wiring import LINKS

T = TypeVar("T")

ENOUGH = 20
"""Fewer samples than these fit nothing: the interval of a median would be as wide as the samples."""
ERLANG_2_Q10 = 0.531812
ERLANG_2_Q50 = 1.678347
"""Quantiles of two exponential delays with mean 1 one after the other."""
REGISTRY = "registry"
HEAD = "| cost | was, ms | fitted, ms | 95% of medians | 10% to 90% | samples |\n|---|---|---|---|---|---|"


@dataclass(frozen=True)
class Row:
    """One cost: what it was and what the samples say; `fitted_ms` is None where there are too few."""

    cost: str
    was_ms: float | None
    fitted_ms: float | None
    samples: Sequence[float]

    def __str__(self) -> str:
        few = f"too few (fewer than {ENOUGH})"
        enough = len(self.samples) >= ENOUGH
        cells = [
            self.cost,
            "-" if self.was_ms is None else f"{self.was_ms:.2f}",
            few if self.fitted_ms is None else f"{self.fitted_ms:.2f}",
            "{:.2f} to {:.2f}".format(*median_interval(self.samples)) if enough else "-",
            f"{quantile(self.samples, 0.1):.2f} to {quantile(self.samples, 0.9):.2f}" if enough else "-",
            str(len(self.samples)),
        ]
        return f"| {' | '.join(cells)} |"


def fit_costs(traces: Traces, old: Costs, says: str) -> tuple[Costs, list[Row]]:
    """The costs that the samples tell, those of which there are too few as they were; and the table."""
    rows: list[Row] = []
    ways = dict(old.ways)
    hops = _hops(traces)
    for link, samples in hops.items():
        found = fit_way(samples) if len(samples) >= ENOUGH else None
        if found is not None:
            ways[link] = found
        was, each = old.way_of(link), [hop / 2 for hop in samples]
        told = (None, None) if found is None else (found.way_ms, found.jitter_ms)
        rows.append(Row(f"{link}, a way", was.way_ms, told[0], each))
        rows.append(Row(f"{link}, its jitter", was.jitter_ms, told[1], each))
    fitted = [ways[link] for link in hops if link in ways]
    way = _middle(fitted) if fitted else old.way
    handling = dict(old.handling_ms)
    for name, samples in _handling(traces, way).items():
        rows.append(_constant(f"answer {name}", name, samples, handling, handling.get(name, 0.0)))
    work = dict(old.work_ms)
    for name, samples in sorted(traces.work.items()):
        rows.append(_constant(f"work {name}", name, samples, work, work.get(name)))
    return Costs(says, way, _in_order(ways), _in_order(handling), _in_order(work)), rows


def held_longer(traces: Traces) -> dict[str, list[float]]:
    """How much longer than drawn workers were held, milliseconds, by `component.operation`: it is not fitted,
    since the shell draws its service times alike in both kinds of time.
    """
    return {
        name: [one.late_ms for one in samples]
        for name, samples in sorted(traces.answers.items())
        if any(one.late_ms for one in samples)
    }


def fit_way(hops: Sequence[float]) -> Way:
    """One way over a link, from milliseconds of calls without what the other end took of them."""
    low, middle = quantile(hops, 0.1), quantile(hops, 0.5)
    scale = (middle - low) / (ERLANG_2_Q50 - ERLANG_2_Q10)
    shift = middle - ERLANG_2_Q50 * scale
    if shift < 0.0:
        shift, scale = 0.0, middle / ERLANG_2_Q50
    return Way(way_ms=_round(shift / 2), jitter_ms=_round(scale))


def quantile(samples: Sequence[float], share: float) -> float:
    """A quantile, linear between the samples next to it (type 7 of Hyndman and Fan 1996)."""
    return float(np.quantile(samples, share))


def median_interval(samples: Sequence[float]) -> tuple[float, float]:
    """An interval that holds the median of what the samples are from in 95 of 100 cases, about."""
    ordered = sorted(samples)
    reach = 0.98 * math.sqrt(len(ordered))
    low = max(0, math.floor(len(ordered) / 2 - reach))
    high = min(len(ordered) - 1, math.ceil(len(ordered) / 2 + reach))
    return ordered[low], ordered[high]


def _hops(traces: Traces) -> dict[str, list[float]]:
    """By link, what calls took beyond the other end's time."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for key, calls in sorted(traces.calls.items()):
        link = key.partition("/")[0]
        found[link] += [max(0.0, one.ms - one.server_ms) for one in calls if one.server_ms is not None]
    return {link: hops for link, hops in found.items() if hops}


def _handling(traces: Traces, way: Way) -> dict[str, list[float]]:
    """By `component.operation`, what the component itself took for an answer."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for name, answers in traces.answers.items():
        found[name] += [one.own_ms for one in answers]
    ways_ms = 2 * (way.way_ms + way.jitter_ms)
    for key, calls in traces.calls.items():
        link, _, operation = key.partition("/")
        if LINKS[link].callee == REGISTRY:
            silent = [max(0.0, one.ms - ways_ms) for one in calls if one.server_ms is None]
            found[f"{REGISTRY}.{operation}"] += silent
    return {name: samples for name, samples in sorted(found.items()) if samples}


def _constant(
    cost: str, name: str, samples: Sequence[float], costs: dict[str, float], was_ms: float | None
) -> Row:
    """Put the median in its place, where there are enough samples."""
    if len(samples) < ENOUGH:
        return Row(cost, was_ms, None, samples)
    costs[name] = _round(statistics.median(samples))
    return Row(cost, was_ms, costs[name], samples)


def _middle(ways: Sequence[Way]) -> Way:
    return Way(
        _round(statistics.median(way.way_ms for way in ways)),
        _round(statistics.median(way.jitter_ms for way in ways)),
    )


def _in_order(costs: Mapping[str, T]) -> dict[str, T]:
    return dict(sorted(costs.items()))


def _round(ms: float) -> float:
    return round(ms, 3)
