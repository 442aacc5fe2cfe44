from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from chaos.clock import WallClock
from chaos.domain.event import Contention
from chaos.drivers.local.contention import ContentionMeter, Family, Spent, read_machine

OURS, NEW = 7, 8


class Neighbourhood(Family):
    """Two processors: what the arm, and others, have had of them."""

    def __init__(self) -> None:
        self.seconds = {OURS: 100.0}
        self.machine = Spent(busy_s=500.0, idle_s=900.0)
        self.unknown: dict[int, float] = {}

    def pass_by(self, ours_s: float, others_s: float, idle_s: float) -> None:
        self.seconds[OURS] += ours_s
        busy_s = self.machine.busy_s + ours_s + others_s
        self.machine = Spent(busy_s, self.machine.idle_s + idle_s)

    def spent(self) -> Mapping[int, float]:
        return dict(self.seconds)

    def gather(self) -> bool:
        found, self.unknown = self.unknown, {}
        self.seconds |= found
        return bool(found)


def told(*spans: tuple[float, float, float], day_step: float = 0.125) -> list[Contention]:
    """What is told of spans in which the arm, others and nobody had so many seconds."""
    there = Neighbourhood()
    meter = ContentionMeter(lambda: there.machine, there)
    found = list(meter.look(0.0))
    for number, span in enumerate(spans, 1):
        there.pass_by(*span)
        found += meter.look(number * day_step)
    return found


def test_others_that_leave_no_processor_idle_are_told_with_their_share() -> None:
    assert told((0.2, 0.0, 0.05), (0.1, 0.15, 0.0), (0.2, 0.0, 0.05)) == [Contention(0.25, 0.6, 0.125)]


@pytest.mark.parametrize(
    "span",
    [(0.25, 0.0, 0.0), (0.05, 0.15, 0.05), (0.0, 0.0, 0.25), (0.2, 0.05, 0.0)],
    ids=["our own work fills it", "others, and some of it idle", "all idle", "others take little"],
)
def test_what_does_not_keep_the_arm_from_a_processor_is_not_told(span: tuple[float, float, float]) -> None:
    assert told(span, span, span) == []


def test_a_harness_that_looks_late_finds_all_of_it() -> None:
    assert told((1.0, 3.0, 0.0), day_step=2.0) == [Contention(2.0, 0.75, 2.0)]


def test_a_span_that_is_too_short_to_count_waits_for_the_next_look() -> None:
    assert told((0.01, 0.03, 0.0), (0.04, 0.12, 0.0)) == [Contention(0.25, 0.75, 0.25)]


def test_a_process_of_our_own_that_was_not_known_yet_is_none_of_the_others() -> None:
    there = Neighbourhood()
    meter = ContentionMeter(lambda: there.machine, there)
    list(meter.look(0.0))
    there.unknown = {NEW: 0.2}
    there.pass_by(0.05, 0.2, 0.0)
    assert list(meter.look(0.5)) == []
    there.seconds[NEW] += 0.2
    there.pass_by(0.05, 0.2, 0.0)
    assert list(meter.look(1.0)) == []
    there.pass_by(0.05, 0.2, 0.0)
    assert len(list(meter.look(1.5))) == 1


def test_a_process_of_our_own_that_has_ended_is_none_of_the_others() -> None:
    there = Neighbourhood()
    there.seconds[NEW] = 5.0
    meter = ContentionMeter(lambda: there.machine, there)
    list(meter.look(0.0))
    there.pass_by(0.05, 0.2, 0.0)
    del there.seconds[NEW]
    assert list(meter.look(0.5)) == []
    there.pass_by(0.05, 0.2, 0.0)
    assert len(list(meter.look(1.0))) == 1


def test_this_process_and_its_children_are_the_family() -> None:
    family = Family()
    assert family.spent()[os.getpid()] > 0.0
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert child.pid not in family.spent()
        assert family.gather()
        assert child.pid in family.spent()
        assert not family.gather()
    finally:
        child.communicate(b"\n")
    assert child.pid not in family.spent()


def test_a_machine_s_processors_are_busy_or_idle_and_nothing_else() -> None:
    clock, before = WallClock(), read_machine()
    start = clock.monotonic()
    while clock.monotonic() - start < 0.2:
        pass
    after = read_machine()
    passed_s = after.busy_s + after.idle_s - before.busy_s - before.idle_s
    assert after.busy_s > before.busy_s
    processors = os.cpu_count() or 1
    assert passed_s == pytest.approx(0.2 * processors, abs=0.08 * processors)
