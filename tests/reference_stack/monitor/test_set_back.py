"""How much a calendar has been set back, and what that makes of what was noted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reference_stack.monitor.set_back import SetBack, earlier
from reference_stack.shells.virtual_machine import VirtualMachine
from reference_stack.shells.virtual_runtime import VirtualRuntime


@pytest.fixture
def runtime() -> Iterator[VirtualRuntime]:
    machine = VirtualMachine(1, 60.0)
    yield VirtualRuntime(machine.loop, 60.0, on_error=pytest.fail, costs=machine.costs)
    machine.close()


def test_a_clock_that_is_set_right_is_told_once(runtime: VirtualRuntime) -> None:
    clock = SetBack(runtime)
    runtime.move_clock(2.0)
    assert clock.days() == 0.0
    runtime.move_clock(0.5)
    assert clock.days() == pytest.approx(1.5)
    assert clock.days() == 0.0


def test_time_that_passes_and_a_wait_between_two_looks_set_nothing_back(runtime: VirtualRuntime) -> None:
    clock = SetBack(runtime)
    runtime.loop.run_until(180.0)
    runtime.move_clock(-0.009)
    assert clock.days() == 0.0
    runtime.move_clock(-0.03)
    assert clock.days() == pytest.approx(0.021)


@pytest.mark.parametrize(("noted_day", "expected"), [(4.9, 4.9), (5.0, 5.0), (6.5, 4.5), (7.5, 5.0)], ids=str)
def test_what_was_noted_on_a_day_to_come_was_noted_no_later_than_now(
    noted_day: float, expected: float
) -> None:
    assert earlier(noted_day, 5.0, 2.0) == expected
