"""`python -m benchmarks.live`: what the real processes cost, from the command line to a torn-down arm.

Each figure stands beside its bar and beside a gauge of the machine's speed at that moment, since shared
machines differ by a factor of three from one minute to the next.
"""

from __future__ import annotations

import compileall
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from chaos.app import Wanted, make_catalogue, make_driver, make_files, plan_run
from chaos.clock import WallClock
from chaos.domain.event import Event, Lag
from chaos.domain.scenario import Arm
from chaos.domain.verdict import Results, Verdict

MLCHAOS = [sys.executable, "-c", "from chaos.cli import main; main()"]
STACK = [sys.executable, "-m", "reference_stack"]


@dataclass
class Row:
    """One line of the table."""

    what: str
    value: float
    unit: str
    bar: float

    def __str__(self) -> str:
        mark = "kept" if self.value <= self.bar else "MISSED"
        return f"{self.what:<66} {self.value:8.2f} {self.unit:<4} bar {self.bar:g} {mark}"


def gauge() -> float:
    """Microseconds for a fixed piece of Python: how fast this core is now."""
    started = time.perf_counter()
    for _ in range(5000):
        sum(range(1000))
    return (time.perf_counter() - started) / 5000 * 1e6


def timed(command: list[str], environment: dict[str, str] | None = None) -> float:
    """Seconds that a whole command takes."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    return time.perf_counter() - started


def validate(_folder: Path) -> list[Row]:
    path = next(found.path for found in make_files().scenarios() if found.name == "late-partition")
    times = [timed([*MLCHAOS, "validate", str(path)]) for _ in range(7)]
    what = "mlchaos validate of one file, whole process (median of 7)"
    return [Row(what, statistics.median(times), "s", 0.25)]


def warm_up(folder: Path) -> list[Row | Note]:
    command = [*STACK, "warmup", "--world", "default", "--seed", "11", "--out"]
    times = [
        timed([*command, str(folder / f"warm{nth}")], {"XDG_CACHE_HOME": str(folder / f"cache{nth}")})
        for nth in range(3)
    ]
    what = "warm-up of one seed, whole process, nothing cached (median of 3)"
    seeded, keep = [*command[:-1], "--registry", "mlflow", "--out"], {"XDG_CACHE_HOME": str(folder / "kept")}
    first, *again = [timed([*seeded, str(folder / f"seeded{nth}")], keep) for nth in range(4)]
    return [
        Row(what, statistics.median(times), "s", 3.0),
        Note(
            f"with MLflow's folder, as a run needs it: {first:.2f} s, {statistics.median(again):.2f} s again"
        ),
    ]


def cold(folder: Path) -> list[Row]:
    root = folder / "cold"
    subprocess.run([*STACK, "warmup", "--seed", "1", "--out", str(root), "--registry", "mlflow"], check=True)
    settings = folder / "cold.json"
    settings.write_text(json.dumps({"root": str(root), "days": 2}))
    started = time.perf_counter()
    up = subprocess.Popen(
        [*STACK, "up", "--settings", str(settings)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert up.stdin is not None
    assert up.stdout is not None
    up.stdout.readline()
    seconds = time.perf_counter() - started
    up.stdin.close()
    up.wait()
    return [Row("stack healthy from cold", seconds, "s", 4.0)]


def memory_of(parents: list[int]) -> float:
    """Proportional set size of processes and all below them, each counted once, in GiB."""
    family: set[psutil.Process] = set()
    for parent in parents:
        with suppress(psutil.NoSuchProcess):
            family |= {psutil.Process(parent), *psutil.Process(parent).children(recursive=True)}
    total = 0
    for process in family:
        with suppress(psutil.NoSuchProcess, AttributeError):
            total += process.memory_full_info().pss
    return total / 2**30


@contextmanager
def sampled(pids: Callable[[], list[int]], every_s: float = 2.0) -> Iterator[list[float]]:
    """Memory in GiB, sampled while the block runs."""
    samples: list[float] = []
    end = threading.Event()

    def sample() -> None:
        while not end.wait(every_s):
            samples.append(memory_of(pids()))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        end.set()
        thread.join()


def processor_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """User and system time of each process by itself, and of this one as `harness`."""
    spent = {}
    for name, pid in {**pids, "harness": os.getpid()}.items():
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.NoSuchProcess:
            continue
        spent[name] = times.user + times.system
    return spent


@dataclass
class Share:
    """A line of what an arm spends: processor time of one process, in ms a simulated day."""

    what: str
    value: float

    def __str__(self) -> str:
        return f"    {self.what:<54} {self.value:8.0f} ms a day"


@dataclass
class Note:
    """A line in words."""

    says: str

    def __str__(self) -> str:
        return f"    {self.says}"


def shares(before: Mapping[str, float], after: Mapping[str, float], days: float) -> list[Share]:
    """What each process has spent in an arm, the largest first, and all together."""
    spent = {name: 1000 * (after[name] - before.get(name, 0.0)) / days for name in after}
    largest = sorted(spent.items(), key=lambda item: -item[1])
    return [Share(name, ms) for name, ms in [*largest, ("all processes", sum(spent.values()))]]


def arms(folder: Path) -> list[Row | Share]:
    """Two arms from one warm parent: the second one's start, a whole arm, its lag and memory."""
    wanted = Wanted(("late-partition",), "reference-local", day_seconds=1.0)
    planned = plan_run(wanted, make_files(), make_catalogue())
    plan = next(arm for arm in planned.trials[0].arms if arm.arm is Arm.CONTROL)
    pids: dict[str, int] = {}
    driver = make_driver(planned.spec, folder, WallClock(), pids.__setitem__, lambda: False)
    events: list[Event] = []
    rows: list[Row | Share] = []
    try:
        for name in ("first", "second"):
            started = time.perf_counter()
            target = driver.start(plan, planned.spec, folder / name, events.append)
            healthy = time.perf_counter() - started
            if name == "first":
                target.close()
                continue
            rows.append(Row("a later arm healthy, from the warm parent", healthy, "s", 0.5))
            before = processor_seconds(pids)
            with sampled(lambda: [os.getpid(), *pids.values()]) as samples:
                target.advance(plan.days, lambda: False)
            rows += shares(before, processor_seconds(pids), plan.days)
            target.drain()
            target.close()
            whole = time.perf_counter() - started
            rows.append(Row("one 14-day arm, day_seconds 1, start to torn down", whole, "s", 17.0))
            lags = [event for event in events if isinstance(event, Lag)]
            rows.append(Row("… spells of lag in it", float(len(lags)), "", 0.0))
            rows.append(Row("… memory of all processes (PSS), the largest", max(samples), "GiB", 1.5))
    finally:
        driver.close()
    return rows


def four_arms(folder: Path) -> list[Row | Note]:
    """The main job at the pace that it finds right for this machine, and what it came to."""
    out = folder / "run"
    started = time.perf_counter()
    command = [*MLCHAOS, "run", "late-partition", "--out", str(out)]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    results = Results.model_validate_json((out / "results.json").read_text())
    (trial,) = results.trials
    reasons = [f"{one.about}: {one.says}" for one in trial.reasons if one.verdict is not Verdict.PASSED]
    return [
        Row("mlchaos run late-partition, four arms", seconds, "s", 80.0),
        Note(f"verdict {trial.verdict.value} at {results.day_seconds:g} s a day"),
        *map(Note, reasons),
    ]


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"gauge {gauge():.1f} µs")
        # As `make install` leaves it: else each process compiles what has changed since.
        for package in ("chaos", "reference_stack"):
            compileall.compile_dir(Path(package), quiet=1)
        measures: tuple[Callable[[Path], Sequence[object]], ...]
        measures = (validate, warm_up, cold, arms, four_arms)
        for measure in measures:
            before = gauge()
            for row in measure(folder):
                print(row, f"  gauge {before:.1f}" if isinstance(row, Row) else "", flush=True)


if __name__ == "__main__":
    main()
