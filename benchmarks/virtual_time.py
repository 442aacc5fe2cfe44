"""What the reference stack costs in virtual time, next to its bars.

    python -m benchmarks.virtual_time [--arms 100] [--seeds 6]
                                      [arm] [warmup] [days] [views] [memory] [trial] [campaign]

Figures are seconds of processor time, one BLAS thread. They depend on the machine and on what else it does:
the gauge beside each is what `sum(range(1000))` takes just then, in µs. The best ever seen on the machine
that they were taken on is about 15. An arm is 14 days of the default world with all layers, from a warm
process and a made warm-up. `trial` and `campaign` are whole commands with two workers, and all of their
processes count (on Linux; elsewhere only the command's own).
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from msgspec import structs

from chaos.drivers.blas import pins

os.environ.update(pins())

from reference_stack.defaults import default_settings, draw_world
from reference_stack.settings import StackSettings
from reference_stack.virtual import Store, VirtualStack, settle_heap
from reference_stack.warmup import warm_up
from reference_stack.world import World, preset

ARM_BAR_S = 1.2
WARM_UP_BAR_S = 3.0
FLAT_BAR_MB = 10.0
RESIDENT_BAR_MB = 500.0
TRIAL_BAR_S = 8.0
TRIALS_AN_HOUR_BAR = 1000
CORES = 2
PARTS = ["arm", "warmup", "days", "views", "memory", "trial", "campaign"]
MLCHAOS = [sys.executable, "-c", "from chaos.cli import main; main()"]
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
    stack = VirtualStack(settings, store, world=world)
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
        bar, gauge = f"{RESIDENT_BAR_MB:.0f} MB", f"{gauge_us():.1f} µs"
        print(ROW.format(f"resident after {number} arms", f"{megabytes:.0f} MB", bar, gauge))
    print(ROW.format("grown since the tenth", f"{grown:.1f} MB", f"{FLAT_BAR_MB:.0f} MB", ""))


def adopt_orphans() -> None:
    """Have what commands leave behind waited for here, so that its processor time counts (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def command(seeds: str, cache: str) -> tuple[float, float]:
    """Processor seconds of `mlchaos run late-partition` over some seeds, and seconds that went by."""
    with tempfile.TemporaryDirectory() as out:
        arguments = ["run", "late-partition", "--target", "reference-virtual", "--seeds", seeds, "--no-cache"]
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            [*MLCHAOS, *arguments, "--jobs", str(CORES), "--out", f"{out}/run"],
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "XDG_CACHE_HOME": cache},
        )
        passed = time.perf_counter() - started
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, passed


def trial() -> None:
    """One trial, with and without a warm-up that was made before. The bar is for the time that goes by."""
    with tempfile.TemporaryDirectory() as cache:
        for what in ("a trial of four arms, nothing cached", "the same, its warm-up made before"):
            cpu, passed = command("1..1", cache)
            found = ROW.format(what, f"{cpu:.1f} s", f"{TRIAL_BAR_S:.0f} s", f"{gauge_us():.1f} µs")
            print(found, f"{passed:.1f} s went by", flush=True)


def campaign(seeds: int) -> None:
    """How many trials an hour two cores would do that had nothing else to do."""
    with tempfile.TemporaryDirectory() as cache:
        cpu, passed = command(f"1..{seeds}", cache)
    an_hour = f"{3600 * CORES * seeds / cpu:.0f} an hour"
    found = ROW.format(
        f"{seeds} trials with warm-ups", an_hour, f"{TRIALS_AN_HOUR_BAR}", f"{gauge_us():.1f} µs"
    )
    print(found, f"{passed:.1f} s went by", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", help=f"{', '.join(PARTS)}; all if none")
    parser.add_argument("--arms", type=int, default=100, help="how many arms to measure memory over")
    parser.add_argument("--seeds", type=int, default=6, help="how many trials make a campaign")
    options = parser.parse_args()
    parts = options.parts or PARTS
    print(ROW.format("", "CPU", "bar", "gauge"))
    adopt_orphans()
    if "trial" in parts:
        trial()
    if "campaign" in parts:
        campaign(options.seeds)
    if set(parts) - {"trial", "campaign"}:
        stack(parts, options.arms)


def stack(parts: list[str], arms: int) -> None:
    """What needs no command: the stack alone, in this process."""
    settle_heap()
    store = warm_up("default", 1)
    live(store, settings_of(1.0))
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
        memory(store, arms)


if __name__ == "__main__":
    main()
