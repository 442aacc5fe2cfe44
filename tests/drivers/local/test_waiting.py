from __future__ import annotations

import os
from collections.abc import Mapping

import pytest

from chaos.domain.event import Waiting
from chaos.drivers.local.waiting import LEAST_TURNS, LOOK_DAYS, Turns, WaitMeter, read_turns


class Scheduler:
    """Counts of processes, as they are set."""

    def __init__(self) -> None:
        self.counts: dict[int, Turns] = {}

    def read(self, pid: int) -> Turns | None:
        return self.counts.get(pid)

    def pass_by(self, pid: int, turns: int, wait_ms: float) -> None:
        before = self.counts.get(pid, Turns(0, 0, 0))
        self.counts[pid] = Turns(0, before.waited_ns + round(turns * wait_ms * 1e6), before.turns + turns)


def looks(
    scheduler: Scheduler, meter: WaitMeter, waits: Mapping[str, list[float]], turns: int = 100
) -> list[Waiting]:
    """What the meter yields while each look's wait is that of the lists."""
    found = []
    for number in range(max(map(len, waits.values()))):
        for pid, name in enumerate(waits):
            scheduler.pass_by(pid, turns, waits[name][number])
        found += meter.look(number * LOOK_DAYS, {name: pid for pid, name in enumerate(waits)})
    return found


def test_waits_above_the_limit_are_told_once_and_the_worst_at_the_end() -> None:
    scheduler = Scheduler()
    meter = WaitMeter(scheduler.read)
    found = looks(scheduler, meter, {"serving-a": [1.0] * 6 + [9.0] * 6, "features": [2.0] * 12})
    # The span of four looks holds three of 9 ms and one of 1 ms when its average first exceeds 5 ms.
    assert found == [Waiting(8 * LOOK_DAYS, "serving-a", 7.0, 0.25)]
    worst = {waiting.process: waiting.wait_ms for waiting in meter.worst(3.0)}
    assert worst == {"serving-a": 9.0, "features": 2.0}


def test_a_second_spell_is_told_again() -> None:
    scheduler = Scheduler()
    meter = WaitMeter(scheduler.read)
    spells = [1.0] * 5 + [20.0] * 2 + [1.0] * 6 + [20.0] * 2
    assert [round(found.day, 4) for found in looks(scheduler, meter, {"shop": spells})] == [0.3125, 0.8125]


def test_a_few_turns_are_no_average_and_a_process_that_is_gone_no_error() -> None:
    scheduler = Scheduler()
    meter = WaitMeter(scheduler.read)
    assert looks(scheduler, meter, {"trainer": [50.0] * 8}, turns=LEAST_TURNS // 4 - 1) == []
    assert list(meter.look(9.0, {"gone": 99})) == []
    assert list(meter.worst(9.0)) == []


@pytest.mark.skipif(not os.path.exists("/proc/self/schedstat"), reason="no scheduler statistics")
def test_this_process_has_had_turns() -> None:
    turns = read_turns(os.getpid())
    assert turns is not None
    assert turns.turns > 0
