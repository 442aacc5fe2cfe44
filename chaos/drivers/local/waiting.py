"""How long components' processes wait for a processor: a machine with none to spare slows every view."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from chaos.domain.event import WAIT_LIMIT_MS, Waiting

SPAN_DAYS = 0.25
LOOK_DAYS = SPAN_DAYS / 4
LEAST_TURNS = 20
"""Turns in a span below which an average says nothing."""


@dataclass(frozen=True)
class Turns:
    """What the scheduler has counted of one process: nanoseconds on a processor, nanoseconds in its queue,
    and turns on a processor.
    """

    ran_ns: int
    waited_ns: int
    turns: int


def read_turns(pid: int) -> Turns | None:
    """The counts of a process's main thread; None where the system keeps none, or the process is gone.

    Source: Linux, Documentation/scheduler/sched-stats.rst, `/proc/<pid>/schedstat`.
    """
    try:
        ran, waited, turns = Path(f"/proc/{pid}/schedstat").read_text().split()
    except (OSError, ValueError):
        return None
    return Turns(int(ran), int(waited), int(turns))


class WaitMeter:
    """Averages, for each process, the wait before a turn over a span of days, and keeps the worst."""

    def __init__(self, read: Callable[[int], Turns | None] = read_turns) -> None:
        self._read = read
        self._next_day = 0.0
        self._looks: dict[tuple[str, int], list[tuple[float, Turns]]] = {}
        self._worst: dict[str, Waiting] = {}
        self._above: set[str] = set()

    def look(self, day: float, pids: Mapping[str, int]) -> Iterator[Waiting]:
        """Read, when it is time to; yields a process's average when it comes above the limit."""
        if day < self._next_day:
            return
        self._next_day = day + LOOK_DAYS
        for name, pid in pids.items():
            now = self._average(day, name, pid)
            if now is None:
                continue
            if name not in self._worst or now.wait_ms > self._worst[name].wait_ms:
                self._worst[name] = now
            if now.wait_ms <= WAIT_LIMIT_MS:
                self._above.discard(name)
            elif name not in self._above:
                self._above.add(name)
                yield now

    def worst(self, day: float) -> Iterator[Waiting]:
        """The largest average of each process, told on the arm's last day."""
        for name, worst in self._worst.items():
            yield Waiting(day, name, worst.wait_ms, worst.over_days)

    def _average(self, day: float, name: str, pid: int) -> Waiting | None:
        turns = self._read(pid)
        if turns is None:
            return None
        looks = self._looks.setdefault((name, pid), [])
        looks.append((day, turns))
        while len(looks) > 1 and looks[1][0] <= day - SPAN_DAYS:
            del looks[0]
        since, before = looks[0]
        count = turns.turns - before.turns
        if day - since < SPAN_DAYS or count < LEAST_TURNS:
            return None
        wait_ms = (turns.waited_ns - before.waited_ns) / 1e6 / count
        return Waiting(round(day, 4), name, round(wait_ms, 3), round(day - since, 4))
