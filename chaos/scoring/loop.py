"""The latency loop, measured: slow pages drive users away, fewer events make a worse model, which drives away
more. From the journals of the undefended arm and its twin without the fault, day by day.

    ε   d ln quality ÷ d ln (clicks in the window that the serving version was trained on)
    ρ   the returning users' target follows (quality · patience)^ρ, reached at a rate of κ a day
    G   = ε · (1 + ρ): a loss of clicks costs ε in quality, and quality costs clicks twice: a click a view is
        quality itself, and the users who come back follow it with ρ. At G ≥ 1 the loop runs away.

The model of the loop is that of Hellström's K9s (latency → abandonment → fewer signals → worse model).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chaos.domain.event import Version, Views
from chaos.domain.verdict import LoopResult
from chaos.scoring.arms import ArmView
from chaos.scoring.harm import untold

_END_DAYS = 3
_WEEK_AFTER = range(6, 9)
_LEAST_CHANGE = 0.05
_LEAST_CYCLES = 5
_POWERS = [step / 20 for step in range(61)]


@dataclass(frozen=True)
class Day:
    """One day of one arm: page views, expected clicks a view by true preference, the share of answered views
    that was not left before it showed, and the version that answered most views (0: none).
    """

    views: int
    quality: float
    kept: float
    version: int

    @property
    def clicks(self) -> float:
        """Expected clicks on the views that were waited for: what a model can learn from."""
        return self.views * self.kept * self.quality


def loop_of(slow: ArmView, twin: ArmView) -> LoopResult | None:
    """The loop of the first fault of `slow`, against `twin`; None where too little was lived or told, or the
    target does not know what its slates are truly worth.
    """
    unknown = not slow.plan.truth or any(view.cut_short or untold(view) for view in (slow, twin))
    if not slow.spans or unknown:
        return None
    span = slow.spans[0]
    return measured(days_of(slow), days_of(twin), windows_of(slow, twin), span.start, span.end)


def days_of(view: ArmView) -> dict[int, Day]:
    """Whole days that had an answered view."""
    found: dict[int, list[Views]] = {}
    for views in view.journal.of(Views):
        found.setdefault(math.floor((views.start_day + views.end_day) / 2), []).append(views)
    whole = range(math.floor(view.plan.days + 1e-6))
    return {day: _day(found[day]) for day in whole if day in found and _answered(found[day])}


def _answered(events: Iterable[Views]) -> int:
    return sum(row.n - row.errors for views in events for row in views.rows)


def _day(events: Sequence[Views]) -> Day:
    rows = [row for views in events for row in views.rows]
    answered = _answered(events)
    served: dict[int, int] = {}
    for row in rows:
        if row.version > 0:
            served[row.version] = served.get(row.version, 0) + row.n
    return Day(
        views=sum(row.n for row in rows),
        quality=math.fsum(row.served_value for row in rows) / answered,
        kept=1 - sum(row.abandoned for row in rows) / answered,
        version=max(sorted(served), key=lambda version: served[version]) if served else 0,
    )


def windows_of(*views: ArmView) -> tuple[dict[int, list[int]], ...]:
    """For each arm the days of the partitions that each version was trained on."""
    return tuple(
        {
            version.version: [partition.partition_day for partition in version.partitions]
            for version in view.journal.of(Version)
        }
        for view in views
    )


def measured(
    slow: Mapping[int, Day],
    twin: Mapping[int, Day],
    windows: Sequence[Mapping[int, Sequence[int]]],
    start_day: float,
    end_day: float,
) -> LoopResult | None:
    """The figures of a spell from `start_day` to `end_day`; None where no day of it can be compared."""
    both = sorted(day for day in slow if day in twin and min(slow[day].quality, twin[day].quality) > 0)
    users = {day: slow[day].views / twin[day].views for day in both}
    quality = {day: slow[day].quality / twin[day].quality for day in both}
    kept = {day: slow[day].kept / twin[day].kept for day in both if twin[day].kept > 0}
    last = math.floor(end_day + 1e-6)
    ending = range(max(last - _END_DAYS, math.ceil(start_day)), last)
    week_after = [last + ahead for ahead in _WEEK_AFTER]
    if _mean(users, ending) is None:
        return None
    learned = [
        (math.log(data), math.log(quality[day]))
        for day in both
        if day >= start_day and (data := _data_ratio(day, slow, twin, windows)) is not None
    ]
    elasticity = _slope(learned)
    returning = _returning([day for day in both if day >= math.floor(start_day)], users, quality, kept)
    power = returning[0] if returning is not None else None
    return LoopResult(
        cycles=len(learned),
        users_at_end=_mean(users, ending),
        quality_at_end=_mean(quality, ending),
        users_week_after=_mean(users, week_after),
        quality_week_after=_mean(quality, week_after),
        elasticity=elasticity,
        return_power=power,
        return_rate=returning[1] if returning is not None else None,
        gain=elasticity * (1 + power) if elasticity is not None and power is not None else None,
    )


def _mean(ratios: Mapping[int, float], days: Iterable[int]) -> float | None:
    """The mean over days that are all there, else None."""
    wanted = list(days)
    if not wanted or any(day not in ratios for day in wanted):
        return None
    return math.fsum(ratios[day] for day in wanted) / len(wanted)


def _data_ratio(
    day: int,
    slow: Mapping[int, Day],
    twin: Mapping[int, Day],
    windows: Sequence[Mapping[int, Sequence[int]]],
) -> float | None:
    """Clicks that the version of `day` learnt from ÷ those of its twin; None where they were not seen."""
    sums = []
    for days, window in zip((slow, twin), windows, strict=True):
        trained_on = window.get(days[day].version)
        if not trained_on or any(known not in days for known in trained_on):
            return None
        sums.append(math.fsum(days[known].clicks for known in trained_on))
    mine, theirs = sums
    return mine / theirs if mine > 0 and theirs > 0 else None


def _slope(points: Sequence[tuple[float, float]]) -> float | None:
    """The slope of a line through the origin, by least squares; None where too little changed."""
    told = [point for point in points if abs(point[0]) >= _LEAST_CHANGE]
    if len(told) < _LEAST_CYCLES:
        return None
    return math.fsum(x * y for x, y in told) / math.fsum(x * x for x, _ in told)


def _returning(
    days: Sequence[int],
    users: Mapping[int, float],
    quality: Mapping[int, float],
    kept: Mapping[int, float],
) -> tuple[float, float] | None:
    """ρ and κ of u′ = u + κ·((quality · patience)^ρ − u), by least squares over a grid of ρ."""
    steps = [day for day in days if day + 1 in users and quality[day] * kept.get(day, 0.0) > 0]
    if len(steps) < _LEAST_CYCLES or max(abs(1 - users[day]) for day in steps) < _LEAST_CHANGE:
        return None
    best: tuple[float, float, float] | None = None
    for power in _POWERS:
        pulls = [(quality[day] * kept[day]) ** power - users[day] for day in steps]
        moves = [users[day + 1] - users[day] for day in steps]
        squares = math.fsum(pull * pull for pull in pulls)
        rate = math.fsum(p * m for p, m in zip(pulls, moves, strict=True)) / squares if squares else 0.0
        error = math.fsum((m - rate * p) ** 2 for p, m in zip(pulls, moves, strict=True))
        if best is None or error < best[0]:
            best = (error, power, rate)
    return None if best is None else (best[1], best[2])
