"""How many instructions an arm in virtual time takes, in this checkout and in another one.

    git worktree add ../before HEAD~1
    python -m benchmarks.instructions [../before] [--world default] [--seed 1]

Seconds on a shared machine say much of its neighbours; instructions, counted by Valgrind, hardly change from
one run to the next, so that a change of a hundredth can be told. They are not time: one that waits for memory
counts like any other. Counted are two halves of a day: one of views and ticks alone, and one with midnight,
where partitions, snapshots and models are made. All layers are on.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from chaos.drivers.blas import pins

HERE = Path(__file__).parent.parent
ENDS = (1.2, 1.7, 2.2)
"""Days at which counts end: no model is made between the first and the second."""
VALGRIND = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
ROW = "{:<10}{:>14}{:>14}{:>14}{:>14}{:>8}"
_COUNTED = re.compile(r"I\s+refs:\s+([\d,]+)")


def live(days: float, world: str, seed: int) -> None:
    """Live through the beginning of an arm, and through nothing else."""
    from reference_stack.virtual import VirtualStack, settle_heap
    from reference_stack.warmup import warm_store

    try:
        from reference_stack.defaults import settings_from
    except ImportError:  # a checkout from before that module
        from reference_stack.assembly import settings_from  # type: ignore[attr-defined, no-redef]

    store = warm_store(world, seed)
    settle_heap()
    stack = VirtualStack(settings_from({"world": world, "seed": seed, "days": max(ENDS)}), store)
    stack.advance(days)
    os._exit(0)


def living(
    checkout: Path, days: float, arguments: Sequence[str], counter: Sequence[str] = ()
) -> subprocess.Popen[str]:
    """A process that lives so long with a checkout's code."""
    command = [*counter, sys.executable, str(Path(__file__).resolve()), "--live", str(days), *arguments]
    environment = {**os.environ, **pins(), "PYTHONPATH": str(checkout), "PYTHONHASHSEED": "0"}
    return subprocess.Popen(command, cwd=checkout, env=environment, stderr=subprocess.PIPE, text=True)


def counted(says: str) -> int:
    """The instructions in what Valgrind says. Raises ValueError where there are none."""
    found = _COUNTED.search(says)
    if found is None:
        raise ValueError(f"Valgrind has counted nothing: {says[-400:]}")
    return int(found[1].replace(",", ""))


def parts(counts: Mapping[float, int]) -> tuple[int, int]:
    """Instructions of half a day of views, and of the other half, from the counts at ENDS."""
    first, second, third = (counts[days] for days in ENDS)
    return second - first, third - second


def table(found: Mapping[str, tuple[int, int]], views: int) -> str:
    """A row for each checkout; the ratio is that of the days, now over before."""
    rows: list[tuple[str, ...]] = [("", "half of views", "with midnight", "a day", "a view", "ratio")]
    days = {name: sum(halves) for name, halves in found.items()}
    for name, (calm, busy) in found.items():
        shown = [f"{count / 1e6:.1f} M" for count in (calm, busy, calm + busy)]
        a_view = f"{1000 * calm / (views / 2) / 1e6:.0f} k"
        ratio = f"{days['now'] / days['before']:.3f}" if name == "now" and "before" in days else ""
        rows.append((name, *shown, a_view, ratio))
    return "\n".join(ROW.format(*row) for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path, nargs="?", help="another checkout of this project")
    parser.add_argument("--world", default="default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--live", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.live is not None:
        live(options.live, options.world, options.seed)
    from benchmarks.side_by_side import is_checkout  # not before: what is counted is another checkout's

    if options.before is not None and not is_checkout(options.before):
        parser.exit(3, f"{options.before} is no checkout of this project\n")
    if shutil.which("valgrind") is None:
        parser.exit(3, "valgrind is not installed\n")
    from reference_stack.world import preset

    checkouts = {"before": options.before.resolve()} if options.before else {}
    checkouts["now"] = HERE
    arguments = ["--world", options.world, "--seed", str(options.seed)]
    found: dict[str, tuple[int, int]] = {}
    with ExitStack() as stack:
        for name, checkout in checkouts.items():
            first = living(checkout, 0.0, arguments)  # its warm-up is in the cache then
            if says := first.communicate()[1]:
                parser.exit(1, f"{checkout}: {says}\n")
            running = {days: living(checkout, days, arguments, VALGRIND) for days in ENDS}
            for process in running.values():
                stack.callback(process.kill)
            counts = {days: counted(process.communicate()[1]) for days, process in running.items()}
            found[name] = parts(counts)
    print(table(found, preset(options.world).views_per_day))


if __name__ == "__main__":
    main()
