from __future__ import annotations

import numpy as np
import pytest

from reference_stack.shells.virtual_machine import VirtualMachine, VirtualProcess
from reference_stack.shop.arrivals import Visits, live_through, visits
from reference_stack.world import World


def lived(world: World, start_day: float, end_day: float, level: list[float]) -> list[tuple[float, int]]:
    """(when, ordinal) of each view; `level` is a list so that a test may change it."""
    machine = VirtualMachine(1, 1.0)
    process = VirtualProcess(machine, "shop")
    arrived: list[tuple[float, int]] = []

    def arrive(plan: Visits, index: int) -> None:
        arrived.append((process.runtime.day(), int(plan.arrivals.ordinals[index])))
        if len(level) > 1 and process.runtime.day() > 0.5:
            level.pop(0)

    process.runtime.spawn(live_through(process.runtime, world, start_day, end_day, lambda: level[0], arrive))
    machine.advance(2.0)
    machine.close()
    return arrived


def test_each_view_comes_at_its_time(world: World) -> None:
    arrivals = world.arrivals(0, 1.0)
    arrived = lived(world, 0.0, 9.0, [1.0])
    assert [ordinal for _, ordinal in arrived] == arrivals.ordinals.tolist()
    assert [when for when, _ in arrived] == pytest.approx(arrivals.times.tolist())


def test_from_the_start_and_to_the_end(world: World) -> None:
    times = world.arrivals(0, 1.0).times
    arrived = lived(world, 0.25, 0.75, [1.0])
    assert len(arrived) == ((times >= 0.25) & (times < 0.75)).sum()


def test_a_surge_on_the_way_leaves_the_others_alone(world: World) -> None:
    usual = set(world.arrivals(0, 1.0).ordinals.tolist())
    arrived = [ordinal for _, ordinal in lived(world, 0.0, 9.0, [1.0, 2.0])]
    assert len(arrived) == len(set(arrived))
    assert usual < set(arrived)
    assert 1.3 < len(arrived) / len(usual) < 1.7


def test_nobody_comes_to_an_empty_day_and_it_ends(world: World) -> None:
    assert lived(world, 0.0, 9.0, [0.0]) == []


def test_a_view_keeps_its_replica_at_any_level(world: World) -> None:
    few, many = visits(world, 3, 0.5), visits(world, 3, 2.0)
    routed = dict(zip(many.arrivals.ordinals.tolist(), many.routing.tolist(), strict=True))
    assert len(few) < len(many)
    for ordinal, draw in zip(few.arrivals.ordinals.tolist(), few.routing.tolist(), strict=True):
        assert routed[ordinal] == draw
    assert np.abs((many.routing < 0.5).mean() - 0.5) < 0.1
