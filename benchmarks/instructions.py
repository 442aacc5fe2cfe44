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
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from chaos.drivers.blas import pins

HERE = Path(__file__).parent.parent
ENDS = (1.2, 1.7, 2.2)
"""Days at which counts end: no model is made between the first and the second."""
ROW = "{:<10}{:>14}{:>14}{:>14}{:>14}{:>8}"
_COUNTED = re.compile(r"I\s+refs:\s+([\d,]+)")


def live(days: float, store: Path, world: str, seed: int) -> None:
    """Live through the beginning of an arm, and through nothing else."""
    from reference_stack.assembly import settings_from
    from reference_stack.virtual import VirtualStack, settle_heap

    files: dict[str, bytes] = pickle.loads(store.read_bytes())
    settle_heap()
    settings = settings_from({"world": world, "seed": seed, "days": max(ENDS)})
    stack = VirtualStack(settings, {name: bytearray(data) for name, data in files.items()})
    stack.advance(days)
    os._exit(0)


def counting(checkout: Path, days: float, arguments: Sequence[str]) -> subprocess.Popen[str]:
    """A process that is counted while it lives so long with a checkout's code."""
    counter = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    command = [sys.executable, str(Path(__file__).resolve()), "--live", str(days), *arguments]
    environment = {**os.environ, **pins(), "PYTHONPATH": str(checkout), "PYTHONHASHSEED": "0"}
    return subprocess.Popen(
        [*counter, *command], cwd=checkout, env=environment, stderr=subprocess.PIPE, text=True
    )


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
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.live is not None:
        live(options.live, options.store, options.world, options.seed)
    from benchmarks.side_by_side import is_checkout  # not before: what is counted is another checkout's

    if options.before is not None and not is_checkout(options.before):
        parser.exit(3, f"{options.before} is no checkout of this project\n")
    if shutil.which("valgrind") is None:
        parser.exit(3, "valgrind is not installed\n")
    os.environ.update(pins())
    from reference_stack.warmup import warm_up
    from reference_stack.world import preset

    checkouts = {"before": options.before.resolve()} if options.before else {}
    checkouts["now"] = HERE
    found: dict[str, tuple[int, int]] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        store = Path(folder) / "store.pickle"
        made = warm_up(options.world, options.seed)
        store.write_bytes(pickle.dumps({name: bytes(data) for name, data in made.items()}))
        arguments = ["--store", str(store), "--world", options.world, "--seed", str(options.seed)]
        for name, checkout in checkouts.items():
            running = {days: counting(checkout, days, arguments) for days in ENDS}
            for process in running.values():
                stack.callback(process.kill)
            counts = {days: counted(process.communicate()[1]) for days, process in running.items()}
            found[name] = parts(counts)
    print(table(found, preset(options.world).views_per_day))


if __name__ == "__main__":
    main()
