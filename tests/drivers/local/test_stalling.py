from __future__ import annotations

from chaos.domain.event import Stall
from chaos.drivers.local.stalling import StallMeter
from chaos.drivers.local.waiting import Turns
from tests.clocks import ManualClock


class Scheduler:
    """What it has counted of one process."""

    def __init__(self) -> None:
        self.waited_ms = 0.0
        self.gone = False

    def read(self, _pid: int) -> Turns | None:
        return None if self.gone else Turns(0, round(self.waited_ms * 1e6), 0)


def looks(waited_ms: list[float], look_ms: float = 20.0) -> list[Stall]:
    """What is told while each look finds so much more waited than the one before."""
    scheduler, clock = Scheduler(), ManualClock()
    meter = StallMeter(clock, scheduler.read)
    found = list(meter.look(0.0, {"shop": 7}))
    for number, more in enumerate(waited_ms, 1):
        scheduler.waited_ms += more
        clock.now_s += look_ms / 1000.0
        found += meter.look(number * look_ms / 1000.0, {"shop": 7})
    return found


def test_what_was_waited_beyond_the_time_between_two_looks_was_one_wait() -> None:
    assert looks([5.0, 55.0, 5.0]) == [Stall(0.04, "shop", 35.0)]


def test_many_short_waits_are_none_however_long_together() -> None:
    assert looks([20.0] * 50) == []
    assert looks([39.9]) == []
    assert looks([40.1]) != []


def test_a_slow_look_tells_less_and_never_too_much() -> None:
    assert looks([55.0], look_ms=40.0) == []


def test_a_process_that_is_gone_is_no_error() -> None:
    scheduler = Scheduler()
    scheduler.gone = True
    assert list(StallMeter(ManualClock(), scheduler.read).look(1.0, {"shop": 7})) == []
