"""What the machine itself does to an arm: waits for a processor, long ones, others that take it, too few."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from chaos.clock import Clock
from chaos.domain.event import Contention, Saturation, Stall, Waiting
from chaos.drivers.local.contention import ContentionMeter
from chaos.drivers.local.saturation import SaturationMeter
from chaos.drivers.local.stalling import StallMeter
from chaos.drivers.local.waiting import WaitMeter


class Machine:
    """Reads the scheduler's counts of an arm's processes; `proxies` are those that every view passes."""

    def __init__(self, clock: Clock, proxies: Mapping[str, int]) -> None:
        self._proxies = proxies
        self._waits = WaitMeter()
        self._stalls = StallMeter(clock)
        self._contention = ContentionMeter()
        self._saturation = SaturationMeter(clock)

    def look(
        self, day: float, answering: Mapping[str, int], sending: Mapping[str, int]
    ) -> Iterator[Waiting | Stall | Contention | Saturation]:
        """Read once, given the processes that answer views and those that send them; yields what is too much.

        Whether an answering process has too much to do is the platform's own affair.
        """
        yield from self._waits.look(day, answering)
        yield from self._stalls.look(day, {**answering, **self._proxies})
        yield from self._contention.look(day)
        yield from self._saturation.look(day, {**sending, **self._proxies})

    def rest(self, day: float) -> Iterator[Waiting]:
        """What is told on the arm's last day."""
        yield from self._waits.worst(day)
