"""How much work this machine does now: `python -m chaos.drivers.local.gauge` counts for a moment and says.

A piece of work is a small JSON document written, read and sorted, in CPython: what a page view asks of a
stack. A bare loop will not do: builds of one Python differ by two in it, and by 1.4 in an arm and by 1.3 in
this. As many processes count at once as the machine has processors, two at most, since an arm's page views
pass through its processes one after the other: so what others do at the same time, processors that share a
core, and a container's quota are all in the figure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from types import MappingProxyType

from chaos.clock import Clock, WallClock
from chaos.errors import ArmFailed

SECONDS = 0.25
"""More than two periods of a container's quota (100 ms in Linux)."""
PROCESSES = 2
PATIENCE_SECONDS = 30.0


SLATE = {"products": [{"product": number, "score": number / 7, "seen": ["a", "b"]} for number in range(12)]}


def piece() -> None:
    """One piece of work, some 20 µs."""
    read = json.loads(json.dumps(SLATE))
    sorted(read["products"], key=lambda product: -product["score"])


def count(clock: Clock, seconds: float) -> float:
    """Pieces of work a second that this process does."""
    pieces = 0
    start = now = clock.monotonic()
    while now - start < seconds:
        for _ in range(20):
            piece()
        pieces += 20
        now = clock.monotonic()
    return pieces / (now - start)


def pieces_per_second(environment: Mapping[str, str] = MappingProxyType({})) -> float:
    """Pieces of work a second that all processors do together. Takes some 0.3 s. Raises ArmFailed.

    `environment` is added to that of the processes that count.
    """
    command = [sys.executable, "-m", __name__]
    processes: list[subprocess.Popen[str]] = []
    try:
        for _ in range(min(PROCESSES, os.cpu_count() or 1)):
            env = {**os.environ, **environment}
            processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env))
        return sum(float(process.communicate(timeout=PATIENCE_SECONDS)[0]) for process in processes)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise ArmFailed(f"the machine's speed cannot be measured: {error}") from error
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()


if __name__ == "__main__":
    sys.stdout.write(f"{count(WallClock(), SECONDS)}\n")
