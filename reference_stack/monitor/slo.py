"""Service levels from counters: how much a counter has grown over any trailing window."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping

from reference_stack.monitor.set_back import earlier

KEPT_DAYS = 3.25


class Trail:
    """The growth of one counter, kept for `kept_days`.

    A counter that falls belongs to a process that started again: what it then shows is growth.
    """

    def __init__(self, kept_days: float = KEPT_DAYS) -> None:
        self._kept_days = kept_days
        self._days: list[float] = []
        self._totals: list[float] = []
        self._last = 0.0

    def take(self, day: float, value: float) -> bool:
        """Note the counter's value; whether it has grown. The first value is where growth starts from."""
        if not self._days:
            self._days.append(day)
            self._totals.append(0.0)
            self._last = value
            return value > 0.0
        growth = value - self._last if value >= self._last else value
        self._last = value
        self._days.append(day)
        self._totals.append(self._totals[-1] + growth)
        if self._days[0] < day - 2 * self._kept_days:
            old = bisect_right(self._days, day - self._kept_days) - 1
            del self._days[:old], self._totals[:old]
        return growth > 0.0

    def set_back(self, day: float, back_days: float) -> None:
        """The calendar has been set back to `day`: what was taken since it was ahead was taken before."""
        later = day
        for place in range(len(self._days) - 1, -1, -1):
            later = self._days[place] = min(earlier(self._days[place], day, back_days), later)

    def grown(self, window_days: float, now_day: float) -> float:
        """Growth from the last value at or before the window's start (else the first) to the newest."""
        if not self._days:
            return 0.0
        start = max(bisect_right(self._days, now_day - window_days + 1e-9) - 1, 0)
        return self._totals[-1] - self._totals[start]


class Windows(Mapping[float, int]):
    """Growth of a counter, less that of another, by window length in days; any length may be asked for."""

    _LENGTHS = (0.1, 0.5, 1.0, 3.0)

    def __init__(self, day: float, trail: Trail, less: Trail | None = None) -> None:
        self._day = day
        self._trail = trail
        self._less = less

    def __getitem__(self, window_days: float) -> int:
        less = self._less.grown(window_days, self._day) if self._less is not None else 0.0
        return round(self._trail.grown(window_days, self._day) - less)

    def __iter__(self) -> Iterator[float]:
        return iter(self._LENGTHS)

    def __len__(self) -> int:
        return len(self._LENGTHS)
