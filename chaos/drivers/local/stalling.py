"""A process that stood still because of the machine: ready to run, and kept from a processor in one go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from chaos.clock import Clock
from chaos.domain.event import STALL_LIMIT_MS, Stall
from chaos.drivers.local.waiting import Turns, read_turns


class StallMeter:
    """Finds single long waits in the scheduler's counts, which are sums.

    A wait is counted when it ends. What a process was counted between two looks beyond the time between them
    must have begun before the first: one wait was at least that long.
    """

    def __init__(self, clock: Clock, read: Callable[[int], Turns | None] = read_turns) -> None:
        self._clock = clock
        self._read = read
        self._looks: dict[tuple[str, int], tuple[float, int]] = {}

    def look(self, day: float, pids: Mapping[str, int]) -> Iterator[Stall]:
        """Read once; yields each process that stood still for longer than the limit since the last look."""
        for name, pid in pids.items():
            turns = self._read(pid)
            if turns is None:
                continue
            now_s = self._clock.monotonic()
            before = self._looks.get((name, pid))
            self._looks[name, pid] = now_s, turns.waited_ns
            if before is None:
                continue
            stalled_ms = (turns.waited_ns - before[1]) / 1e6 - 1000.0 * (now_s - before[0])
            if stalled_ms > STALL_LIMIT_MS:
                yield Stall(round(day, 4), name, round(stalled_ms, 1))
