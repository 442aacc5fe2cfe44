"""What a worker process does: it runs arms in virtual time, and keeps what was computed for later runs."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import platform
import signal
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.metadata import entry_points
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from chaos.app import Wanted, make_catalogue, version, versions
from chaos.domain.event import Event
from chaos.domain.plan import ArmPlan, TrialPlan
from chaos.domain.scenario import Arm
from chaos.domain.target import TargetSpec
from chaos.drivers.blas import pins
from chaos.drivers.virtual.driver import VirtualDriver, package_of, packages_of
from chaos.errors import ArmFailed
from chaos.plugins import FAULT_GROUP, PROBE_GROUP
from chaos.runner.cache import ArmCache, Code, NotKnown, salt_of, stamp_of
from chaos.runner.parents import end_with
from chaos.runner.remains import ProcessRecord
from chaos.runner.stop import StopSignal
from chaos.runner.trials import RunContext, folder_of, read_trial, run_arms

VIRTUAL_RUN = "virtual"
"""Stands in a virtual journal's header for the run and the date, so that equal runs have equal bytes."""

Done = tuple[str, int, Arm]
"""An arm: its scenario, its seed, and which it is."""


@dataclass(frozen=True)
class Common:
    """What all jobs of a campaign have in common, told to each worker once. The spec travels as JSON.

    `found` is where the runner has found the factory: see `home_of`.
    """

    spec: str
    folder: Path
    found: str
    cache: Path | None
    shared: Path | None
    code: Code | None


@dataclass(frozen=True)
class Job:
    """Some arms for a worker, which share a trunk where they are more than one.

    Their plans lie in their trials' folders. A job is small on purpose: jobs wait for workers in a pipe, and
    where all workers have died the executor waits for ever to put one more into a full one
    (https://github.com/python/cpython/issues/94777).
    """

    arms: tuple[Done, ...]


def begin(common: Common, told: SimpleQueue[Done]) -> None:
    """A worker leaves Ctrl-C to its parent, is known to the guardian, prints nothing among results, and does
    not outlive the runner.
    """
    end_with(os.getppid())
    runner = multiprocessing.parent_process()
    if runner is not None and not runner.is_alive():
        os._exit(1)
    with contextlib.suppress(OSError):  # of a standard error that is closed
        os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker = Worker(common, told)
    WORKER.set(worker)
    signal.signal(signal.SIGTERM, worker)
    ProcessRecord(common.folder).note("worker", os.getpid())


def work(job: Job) -> None:
    """In a worker: some arms, their journals on disk. Raises ArmFailed where a process died."""
    worker = WORKER.get()
    signal.signal(signal.SIGTERM, worker)  # again: somebody else's code has run here since
    if worker.stop.asked:  # by whomever: arms that are not run must not pass for arms that were
        raise ArmFailed("a worker process was told to end")
    common = worker.common
    spec = TargetSpec.model_validate_json(common.spec)
    context = RunContext(
        run=VIRTUAL_RUN,
        mlchaos=version(),
        started_at=VIRTUAL_RUN,
        folder=common.folder,
        spec=spec,
        catalogue=make_catalogue(),
        driver=VirtualDriver(common.found),
        stop=worker.stop,
        show=_unseen,
        versions=_facts(),
        cache=_cache(common.cache, common.code, spec),
        shared=_cache(common.shared, common.code, spec),
    )
    arms = []
    for scenario, seed, wanted in job.arms:
        trial = read_trial(folder_of(common.folder, scenario, seed))
        arms.append((trial, next(arm for arm in trial.arms if arm.arm is wanted)))
    run_arms(arms, context, worker)


def _unseen(_plan: TrialPlan, _arm: Arm, _event: Event) -> None:
    pass


class Worker:
    """What a worker knows, and does when it is told to end: its arms and those that wait stop, and say so."""

    def __init__(self, common: Common, told: SimpleQueue[Done]) -> None:
        self.common = common
        self.stop = StopSignal()
        self._record = ProcessRecord(common.folder)
        self._told = told
        self._children: set[int] = set()

    def __call__(self, _number: int, _frame: object) -> None:
        """It is told, by a signal."""
        self.stop.asked = True
        for child in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)

    def born(self, pid: int) -> None:
        """A child goes on with an arm: it is to be told, too, and the guardian knows of it."""
        self._children.add(pid)
        if self.stop.asked:
            os.kill(pid, signal.SIGTERM)
        self._record.note("worker", pid)

    def gone(self, pid: int) -> None:
        """It has ended."""
        self._children.remove(pid)

    def done(self, plan: ArmPlan) -> None:
        """Tell the runner."""
        self._told.put((plan.scenario, plan.seed, plan.arm))


WORKER: ContextVar[Worker] = ContextVar("worker")
"""In a worker: what it knows."""


def _facts() -> Mapping[str, str]:
    pinned = {**os.environ, **pins()}  # as workers have it, also where they are still to come
    names = ("OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS")
    return {
        **versions(),
        "machine": platform.machine(),
        **{name: pinned.get(name, "") for name in names},
    }


def code_of(wanted: Wanted, spec: TargetSpec, note: Callable[[str], object]) -> Code | None:
    """What arms in virtual time are computed by, before it is imported. None where nothing is to be kept; and
    where it cannot be told, which is said.
    """
    if spec.driver.kind != "virtual" or (wanted.cache is None and wanted.shared is None):
        return None
    added = [point.value for group in (FAULT_GROUP, PROBE_GROUP) for point in entry_points(group=group)]
    plugins = tuple(sorted(added))
    try:
        packages = _packages(spec, plugins)
        stamp = stamp_of(packages)
        salt = salt_of(packages, {**_facts(), "target": spec.model_dump_json(by_alias=True)})
    except (NotKnown, OSError) as error:
        note(f"no arms are kept: {error}")
        return None
    return Code(salt, stamp, plugins)


def _cache(folder: Path | None, code: Code | None, spec: TargetSpec) -> ArmCache | None:
    if folder is None or code is None:
        return None
    return ArmCache(folder, code.salt, lambda: unchanged(code, spec))


def unchanged(code: Code, spec: TargetSpec) -> bool:
    """Whether the files are still those that it was told of."""
    try:
        return stamp_of(_packages(spec, code.plugins)) == code.stamp
    except (NotKnown, OSError):
        return False


def _packages(spec: TargetSpec, plugins: Sequence[str]) -> list[Path]:
    added = {path for value in plugins for path in package_of(value)}
    return list(dict.fromkeys([Path(__file__).parent, *packages_of(spec), *sorted(added)]))
