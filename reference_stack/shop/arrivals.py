"""When shoppers come: open loop, one view per arrival, so that a slow site does not slow the arrivals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reference_stack.ports import Runtime
from reference_stack.seeds import stream
from reference_stack.world import Arrivals, World
from reference_stack.world.catalogue import FloatArray

_LOOK_UP_DAYS = 1 / 24


@dataclass(frozen=True)
class Visits:
    """The views of one day and which replica each is sent to."""

    arrivals: Arrivals
    routing: FloatArray
    """(n,) uniforms in [0, 1), one per view."""

    def __len__(self) -> int:
        return len(self.arrivals)


def visits(world: World, day: int, level: float) -> Visits:
    """The views of `day` at `level` times the normal number of views.

    A higher level adds views and leaves each other view its time, customer, replica and draws.
    """
    arrivals = world.arrivals(day, level)
    draws = stream(world.seed, "routing", day).random(len(arrivals))
    return Visits(arrivals, draws[arrivals.ordinals])


async def live_through(
    runtime: Runtime,
    world: World,
    start_day: float,
    end_day: float,
    level: Callable[[], float],
    arrive: Callable[[Visits, int], object],
) -> None:
    """Call `arrive` at the time of each view from `start_day` to the end of that day, or to `end_day`.

    A view whose time is past is made at once. A `level` that changes on the way (a surge) counts from the
    next view or 1/24 day on.
    """
    day = int(start_day // 1)
    end = min(float(day + 1), end_day)
    now = start_day
    planned = level()
    plan, times, index = _plan(world, day, planned, now)
    while now < end:
        until = min(times[index] if index < len(times) else end, now + _LOOK_UP_DAYS, end)
        await runtime.until(until)
        now = until
        wanted = level()
        if wanted != planned:
            planned = wanted
            plan, times, index = _plan(world, day, planned, now)
        while index < len(times) and times[index] <= now < end:
            arrive(plan, index)
            index += 1


def _plan(world: World, day: int, level: float, now: float) -> tuple[Visits, list[float], int]:
    """The day's views, their times, and the first that is not before `now`."""
    plan = visits(world, day, level)
    first = int(np.searchsorted(plan.arrivals.times, now, side="left"))
    return plan, plan.arrivals.times.tolist(), first
