"""What the reference stack costs in virtual time, next to its bars.

    python -m benchmarks.virtual_time [--arms 100] [arm] [warmup] [days] [views] [memory]

Figures are seconds of processor time, one BLAS thread. They depend on the machine and on what else it does:
the gauge beside each is what `sum(range(1000))` takes just then, in µs. The best ever seen on the machine
that they were taken on is about 15. An arm is 14 days of the default world with all layers, from a warm
process and a made warm-up.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from msgspec import structs

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from reference_stack.assembly import default_settings, draw_world  # noqa: E402 (threads are pinned first)
from reference_stack.settings import StackSettings  # noqa: E402
from reference_stack.virtual import Store, VirtualStack, settle_heap  # noqa: E402
from reference_stack.warmup import warm_up  # noqa: E402
from reference_stack.world import World, preset  # noqa: E402

ARM_BAR_S = 1.2
WARM_UP_BAR_S = 3.0
FLAT_BAR_MB = 10.0
DAYS = 14.0
ROW = "{:<44}{:>12}{:>12}{:>10}"


def gauge_us() -> float:
    """What a small piece of plain Python takes now, the best of some."""
    best = float("inf")
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(50):
            sum(range(1000))
        best = min(best, (time.perf_counter() - start) / 50)
    return 1e6 * best


def measured(work: Callable[[], object], times: int = 3) -> tuple[float, float]:
    """Seconds of processor time, the best of `times`, and the gauge then."""
    found = []
    for _ in range(times):
        start = time.process_time()
        work()
        found.append((time.process_time() - start, gauge_us()))
    return min(found)


def show(what: str, seconds: float, gauge: float, bar: float | None = None) -> None:
    print(ROW.format(what, f"{seconds:.2f} s", f"{bar:.1f} s" if bar else "", f"{gauge:.1f} µs"), flush=True)


def live(store: Store, settings: StackSettings, world: World | None = None) -> None:
    stack = VirtualStack(settings, {name: bytearray(data) for name, data in store.items()}, world=world)
    stack.advance(settings.days)
    stack.close()


def settings_of(days: float) -> StackSettings:
    return structs.replace(default_settings(), days=days)


def busier(times: int) -> tuple[StackSettings, World]:
    """The default world with more views a day, and replicas that can take them."""
    settings, parameters = settings_of(DAYS), preset("default")
    shells = {
        name: structs.replace(shell, service_ms=shell.service_ms / times)
        for name, shell in settings.shells.items()
    }
    world = World.draw(replace(parameters, views_per_day=times * parameters.views_per_day), 1)
    return structs.replace(settings, shells=shells), world


def resident_mb() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def memory(store: Store, arms: int) -> None:
    settings = settings_of(DAYS)
    seen = []
    for number in range(arms):
        live(store, settings)
        if number in (9, arms // 2, arms - 1):
            seen.append((number + 1, resident_mb()))
    grown = seen[-1][1] - seen[0][1]
    for number, megabytes in seen:
        print(ROW.format(f"resident after {number} arms", f"{megabytes:.0f} MB", "", f"{gauge_us():.1f} µs"))
    print(ROW.format("grown since the tenth", f"{grown:.1f} MB", f"{FLAT_BAR_MB:.0f} MB", ""))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", help="arm, warmup, days, views, memory; all if none")
    parser.add_argument("--arms", type=int, default=100)
    options = parser.parse_args()
    parts = options.parts or ["arm", "warmup", "days", "views", "memory"]
    settle_heap()
    store = warm_up("default", 1)
    live(store, settings_of(1.0))
    print(ROW.format("", "CPU", "bar", "gauge"))
    if "arm" in parts:
        show("an arm, 14 days", *measured(lambda: live(store, settings_of(DAYS)), 5), ARM_BAR_S)
        world = draw_world(default_settings())
        show("of that the world", *measured(lambda: draw_world(default_settings())))
        show("the same, world drawn before", *measured(lambda: live(store, settings_of(DAYS), world)))
    if "warmup" in parts:
        show("a warm-up, 18 days", *measured(lambda: warm_up("default", 1)), WARM_UP_BAR_S)
    if "days" in parts:
        for days in (14, 28, 56):
            show(f"{days} days", *measured(partial(live, store, settings_of(days)), 2))
    if "views" in parts:
        for times in (1, 4):
            show(f"{600 * times} views a day", *measured(partial(live, store, *busier(times)), 2))
    if "memory" in parts:
        memory(store, options.arms)


if __name__ == "__main__":
    main()
