"""What others on this machine take from an arm: its processors' time, where they leave none of it idle."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import psutil

from chaos.domain.event import Contention

LOOK_DAYS = 0.1
LEAST_SECONDS = 0.1
"""The system counts in hundredths of a second; a share of less than ten of them says nothing."""
TAKEN_SHARE = 0.25
IDLE_SHARE = 0.1


@dataclass(frozen=True)
class Spent:
    """Seconds of processor time since the machine started, all processors together."""

    busy_s: float
    idle_s: float


def read_machine() -> Spent:
    """What the machine's processors did. What a hypervisor gave to others counts as busy."""
    times = psutil.cpu_times()
    idle_s = times.idle + getattr(times, "iowait", 0.0)
    busy_s = times.user + times.system
    busy_s += sum(getattr(times, kind, 0.0) for kind in ("nice", "irq", "softirq", "steal"))
    return Spent(busy_s, idle_s)


class Family:
    """This process and all that descend from it."""

    def __init__(self) -> None:
        self._members = [psutil.Process(os.getpid())]

    def spent(self) -> Mapping[int, float]:
        """Seconds of processor time of each known member that is still there."""
        spent: dict[int, float] = {}
        for member in self._members:
            with contextlib.suppress(psutil.Error):
                times = member.cpu_times()
                spent[member.pid] = times.user + times.system
        return spent

    def gather(self) -> bool:
        """Look for new members; whether there are any."""
        known = {member.pid for member in self._members}
        head = self._members[0]
        self._members = [head, *head.children(recursive=True)]
        return any(member.pid not in known for member in self._members)


class ContentionMeter:
    """Tells of each span in which others took much of the processors' time and no processor was idle.

    Sums are compared, so that a harness that is kept from running itself misses nothing of it.
    """

    def __init__(self, machine: Callable[[], Spent] = read_machine, family: Family | None = None) -> None:
        self._machine = machine
        self._family = family or Family()
        self._next_day = 0.0
        self._before: tuple[float, Spent, Mapping[int, float]] | None = None

    def look(self, day: float) -> Iterator[Contention]:
        """Read, when it is time to; yields what was taken since the last look, where it was too much."""
        if day < self._next_day:
            return
        now, spent = self._machine(), self._family.spent()
        if self._before is None:
            self._family.gather()
            spent = self._family.spent()
        else:
            since_day, before, spent_before = self._before
            idle_s = now.idle_s - before.idle_s
            total_s = now.busy_s - before.busy_s + idle_s
            if total_s < LEAST_SECONDS:
                return
            own_s = sum(seconds - spent_before.get(pid, seconds) for pid, seconds in spent.items())
            taken_share = (now.busy_s - before.busy_s - own_s) / total_s
            if taken_share > TAKEN_SHARE and idle_s < IDLE_SHARE * total_s:
                # One of our own that is new, or has ended meanwhile, may have been it.
                if self._family.gather() or not spent_before.keys() <= spent.keys():
                    spent = self._family.spent()
                else:
                    yield Contention(round(day, 4), round(taken_share, 3), round(day - since_day, 4))
        self._next_day = day + LOOK_DAYS
        self._before = day, now, spent
