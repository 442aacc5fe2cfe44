"""What an arm in virtual time costs in this checkout, next to another one.

    git worktree add ../before HEAD~1
    python -m benchmarks.side_by_side ../before [--rounds 12] [--world default] [--days 14] [--seed 1]

Both live through the same arm in turns, each in a process of its own, with all layers on, from a made
warm-up. Figures are seconds of processor time. Neighbours change them by half from one minute to the next, so
what counts is the last column: the median over the rounds of one over the other. A checkout next to a copy of
itself gave 0.99 in eight rounds on a busy machine, and 0.94 in five.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from copy import deepcopy
from pathlib import Path
from statistics import median

from chaos.drivers.blas import pins

HERE = Path(__file__).parent.parent
ROW = "{:<12}{:>10}{:>10}{:>10}"


def serve(world: str, seed: int, days: float) -> None:
    """Live through an arm for each line on standard input, and say what it took."""
    from reference_stack.virtual import VirtualStack, settle_heap
    from reference_stack.warmup import warm_up

    try:
        from reference_stack.defaults import settings_from
    except ImportError:  # a checkout from before that module
        from reference_stack.assembly import settings_from  # type: ignore[attr-defined, no-redef]

    settle_heap()
    store = warm_up(world, seed)
    settings = settings_from({"world": world, "seed": seed, "days": days})
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.process_time()
        stack = VirtualStack(settings, deepcopy(store))  # which an older one changes
        stack.advance(days)
        stack.close()
        print(time.process_time() - started, flush=True)


class Arms:
    """A process that lives through the same arm again and again, with a checkout's code."""

    def __init__(self, checkout: Path, arguments: list[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), "--serve", *arguments],
            cwd=checkout,
            env={**os.environ, **pins(), "PYTHONPATH": str(checkout)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._heard("ready")

    def next(self) -> float:
        """Seconds of processor time that the next arm took."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._heard())

    def close(self) -> None:
        """End the process, by the end of its standard input."""
        self._process.communicate()

    def _heard(self, wanted: str = "") -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line or (wanted and line != wanted):
            raise SystemExit(f"an arm has ended without a word (exit {self._process.wait()})")
        return line


def is_checkout(folder: Path) -> bool:
    """Whether a folder holds this project's code; its tests have a `reference_stack` too."""
    return (folder / "reference_stack" / "virtual.py").is_file()


def table(before: list[float], now: list[float]) -> str:
    """Lowest and median seconds of both, and the median of their ratios, round by round."""
    ratio = median(after / first for first, after in zip(before, now, strict=True))
    rows = [("", "lowest", "median", "ratio")]
    for name, found, shown in (("before", before, ""), ("now", now, f"{ratio:.2f}")):
        rows.append((name, f"{min(found):.2f} s", f"{median(found):.2f} s", shown))
    return "\n".join(ROW.format(*row) for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path, nargs="?", help="another checkout of this project")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--world", default="default")
    parser.add_argument("--days", type=float, default=14.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.world, options.seed, options.days)
        return
    if options.before is None or not is_checkout(options.before):
        parser.exit(3, f"{options.before} is no checkout of this project\n")
    arguments = ["--world", options.world, "--days", str(options.days), "--seed", str(options.seed)]
    both = [Arms(checkout.resolve(), arguments) for checkout in (options.before, HERE)]
    try:
        rounds = [tuple(arms.next() for arms in both) for _ in range(options.rounds)]
    finally:
        for arms in both:
            arms.close()
    before, now = (list(column) for column in zip(*rounds, strict=True))
    print(table(before, now))


if __name__ == "__main__":
    main()
