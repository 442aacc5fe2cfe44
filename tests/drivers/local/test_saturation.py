from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from chaos.domain.event import Saturation
from chaos.drivers.local.saturation import SaturationMeter
from chaos.drivers.local.waiting import Turns, read_turns
from tests.clocks import ManualClock

SHOP = {"shop": 7}


class Life:
    """A process of which the scheduler tells, and the meter that looks at it every 20 ms."""

    def __init__(self, day_seconds: float = 1.0) -> None:
        self.clock = ManualClock(100.0)
        self.start_s = self.clock.now_s
        self.day_seconds = day_seconds
        self.turns: Turns | None = Turns(5_000_000_000, 5_000_000_000, 10)
        self.meter = SaturationMeter(self.clock, lambda _: self.turns)

    def go_on(self, seconds: float, ran: float = 0.0, waited: float = 0.0) -> Iterator[Saturation]:
        """Let time pass of which the process ran, and waited to run, these shares."""
        for _ in range(round(seconds / 0.02)):
            yield from self.meter.look(self._day(), SHOP)
            self.clock.now_s += 0.02
            if self.turns is not None:
                ran_ns, waited_ns = round(ran * 2e7), round(waited * 2e7)
                self.turns = Turns(self.turns.ran_ns + ran_ns, self.turns.waited_ns + waited_ns, 0)
        yield from self.meter.look(self._day(), SHOP)

    def _day(self) -> float:
        return (self.clock.now_s - self.start_s) / self.day_seconds


@pytest.mark.parametrize(("ran", "waited"), [(1.0, 0.0), (0.5, 0.5), (0.0, 1.0)])
def test_a_process_that_is_never_done_is_told_whether_it_gets_a_processor_or_not(
    ran: float, waited: float
) -> None:
    assert list(Life().go_on(0.13, ran, waited)) == [Saturation(0.12, "shop", 1.0, 0.12)]


@pytest.mark.parametrize(("ran", "waited"), [(0.0, 0.0), (0.7, 0.0), (0.4, 0.45)])
def test_one_that_has_time_to_spare_is_not(ran: float, waited: float) -> None:
    assert list(Life().go_on(2.0, ran, waited)) == []


def test_a_burst_within_a_span_is_none_of_it() -> None:
    life = Life()
    assert [*life.go_on(0.04, 1.0), *life.go_on(0.08, 0.3), *life.go_on(1.0, 0.3)] == []


def test_each_span_is_told_for_itself() -> None:
    life = Life(day_seconds=2.0)
    told = [*life.go_on(0.22, 1.0), *life.go_on(0.44, 0.2), *life.go_on(0.22, 0.2, 0.8)]
    assert [(one.day, one.over_days) for one in told] == [(0.11, 0.11), (0.44, 0.11)]


def test_short_days_are_looked_at_over_a_tenth_of_a_second() -> None:
    (first, *_) = Life(day_seconds=0.1).go_on(0.2, 1.0)
    assert first.over_days >= 1.0


def test_a_process_that_is_gone_is_no_error_and_another_of_its_name_begins_anew() -> None:
    life = Life()
    list(life.go_on(0.06, 1.0))
    life.turns = None
    assert list(life.go_on(0.2)) == []
    life.turns = Turns(0, 0, 0)
    assert list(life.meter.look(1.0, {"shop": 8})) == []


def test_the_scheduler_tells_how_long_a_process_ran() -> None:
    spin = "import time; end = time.process_time() + 0.2\nwhile time.process_time() < end: pass\nprint(flush=True)"
    command = [sys.executable, "-S", "-c", f"{spin}\ninput()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        turns = read_turns(child.pid)
        child.communicate(b"\n")
    assert turns is not None
    assert turns.ran_ns >= 2e8
    assert (read_turns(os.getpid()) or turns).ran_ns > 0
