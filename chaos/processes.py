"""Processes of this machine: which one is meant, and its end, with all that it has started."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence

import msgspec
import psutil

END_SECONDS = 10.0
LOOK_SECONDS = 0.1


class Known(msgspec.Struct, frozen=True):
    """A process, with the moment at which it was `born`."""

    name: str
    pid: int
    started: float

    def __str__(self) -> str:
        return f"{self.name} ({self.pid})"


def born(process: psutil.Process) -> float:
    """When a process began, in seconds: the same whenever it is asked for, and another one's is another.

    Linux counts from the machine's start; by the calendar it would be another moment after each step of the
    clock. Raises NoSuchProcess.
    """
    began: float = process.create_time()
    return began - psutil.boot_time() if sys.platform == "linux" else began


def known(name: str, pid: int) -> Known | None:
    """The process that has this number now; None where it has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return Known(name, pid, born(psutil.Process(pid)))
    return None


def alive(pid: int, started: float) -> psutil.Process | None:
    """The process of this number if it is the one that was `born` then, and has not ended."""
    try:
        process = psutil.Process(pid)
        same = abs(born(process) - started) < 0.01
        running = process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if same and running else None


def below(process: psutil.Process) -> Iterator[Known]:
    """All that a process has started, as long as it is there itself."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in process.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                yield Known(child.name(), child.pid, born(child))


def still_there(left: Sequence[Known]) -> str:
    """What to say of processes that could not be killed."""
    return f"still there, though killed: {', '.join(map(str, left))}"


def kill(meant: Sequence[Known]) -> list[Known]:
    """Kill those that are there still, and all that they have started; the ones that survive it."""
    family: dict[int, Known] = {}
    for one in meant:
        if (process := alive(one.pid, one.started)) is not None:
            family |= {one.pid: one} | {child.pid: child for child in below(process)}
    for one in family.values():
        if (process := alive(one.pid, one.started)) is not None:
            with contextlib.suppress(psutil.Error):
                process.kill()
    left = list(family.values())
    for _ in range(round(END_SECONDS / LOOK_SECONDS)):
        there = {one: alive(one.pid, one.started) for one in left}
        left = [one for one in left if there[one] is not None]
        if not left:
            break
        psutil.wait_procs([process for process in there.values() if process], timeout=LOOK_SECONDS)
    return left
