"""A process that cannot keep up: all load passes through its one thread, and it is never done."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from chaos.clock import Clock
from chaos.domain.event import WANTED_LIMIT_SHARE, Saturation
from chaos.drivers.local.waiting import Turns, read_turns

LOOK_DAYS = 0.1
LEAST_SECONDS = 0.1
"""Of a shorter span the share says little: one long turn fills it."""


class SaturationMeter:
    """Tells of each span in which a process wanted a processor nearly all the time, whether it got it or not.

    The time that it waits for a processor counts like the time that it runs: either way it has work to do
    and nothing is sent, or read, in time. A process that is stopped wants nothing.
    """

    def __init__(self, clock: Clock, read: Callable[[int], Turns | None] = read_turns) -> None:
        self._clock = clock
        self._read = read
        self._looks: dict[tuple[str, int], tuple[float, float, int | None]] = {}

    def look(self, day: float, pids: Mapping[str, int]) -> Iterator[Saturation]:
        """Read those whose span is over; yields each that wanted too much of it."""
        for name, pid in pids.items():
            now_s = self._clock.monotonic()
            since_day, since_s, before_ns = self._looks.get((name, pid), (-math.inf, -math.inf, None))
            if day - since_day < LOOK_DAYS or now_s - since_s < LEAST_SECONDS:
                continue
            turns = self._read(pid)
            if turns is None:
                continue
            wanted_ns = turns.ran_ns + turns.waited_ns
            self._looks[name, pid] = day, now_s, wanted_ns
            if before_ns is None:
                continue
            wanted_share = (wanted_ns - before_ns) / 1e9 / (now_s - since_s)
            if wanted_share > WANTED_LIMIT_SHARE:
                yield Saturation(round(day, 4), name, round(wanted_share, 3), round(day - since_day, 4))
