"""Trials in virtual time, in as many worker processes as there are jobs."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import platform
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.metadata import entry_points
from multiprocessing import forkserver
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from types import TracebackType
from typing import TypeVar, cast

from chaos.app import Wanted, make_catalogue, version, versions
from chaos.campaign import Campaign, Progress, keep_data, replay, set_aside
from chaos.clock import WallClock
from chaos.domain.event import Event
from chaos.domain.plan import ArmPlan, TrialPlan
from chaos.domain.scenario import Arm
from chaos.domain.target import TargetSpec
from chaos.domain.verdict import TrialResult, Verdict
from chaos.drivers.blas import pins
from chaos.drivers.virtual import preloading
from chaos.drivers.virtual.ahead import made_ahead
from chaos.drivers.virtual.driver import VirtualDriver, home_of, package_of, packages_of
from chaos.errors import ArmFailed, Interrupted
from chaos.plugins import FAULT_GROUP, PROBE_GROUP
from chaos.results import rehearse_reports, score_folder
from chaos.runner.cache import ArmCache, Code, NotKnown, salt_of, stamp_of
from chaos.runner.imports import as_here, imported_as_here
from chaos.runner.parents import RUNNER, end_with
from chaos.runner.remains import ProcessRecord
from chaos.runner.stop import StopSignal
from chaos.runner.trials import RunContext, folder_of, open_trial, read_trial, run_arms, trial_folder
from chaos.runner.trunk import packed

T = TypeVar("T")

LOOK_EVERY_SECONDS = 0.2
PATIENCE_SECONDS = 15.0
"""So long a worker that is told to end may take for it: to stop its arm takes a moment."""
SILENT_SECONDS = 3600.0
"""An arm of a large world lives for minutes; a target of somebody's own that never comes back, for ever."""
BOUND = "chaos.runner.bound"
"""Only the process imports it that workers are forked from."""
VIRTUAL_RUN = "virtual"
"""Stands in a virtual journal's header for the run and the date, so that equal runs have equal bytes."""


Key = tuple[str, int]
"""A trial: its scenario and its seed."""
Done = tuple[str, int, Arm]


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


def run_in_parallel(campaign: Campaign) -> list[TrialResult]:
    """Run all trials. Raises Interrupted when the user asked to stop, ArmFailed when a worker died."""
    os.environ.update(pins())
    arms = [arm for trial in campaign.planned.trials for arm in trial.arms]
    spec = campaign.planned.spec
    environment = as_here() if "-m" in spec.driver.ahead else {}  # a script looks for modules beside itself
    with made_ahead(spec, arms[:1], campaign.record.note, environment):
        return _run_by_workers(campaign)


def _run_by_workers(campaign: Campaign) -> list[TrialResult]:
    rehearse_reports()
    common = _common(campaign)
    context = multiprocessing.get_context("forkserver")
    os.environ[preloading.WANTED], _, _ = (campaign.planned.spec.driver.factory or "").partition(":")
    os.environ[RUNNER] = str(os.getpid())
    context.set_forkserver_preload([BOUND, "chaos.parallel", preloading.__name__])
    with imported_as_here():
        forkserver.ensure_running()
    told: SimpleQueue[Done] = context.SimpleQueue()
    pool = ProcessPoolExecutor(
        max_workers=campaign.wanted.jobs,
        mp_context=context,
        initializer=_begin,
        initargs=(common, told),
    )
    try:
        with contextlib.ExitStack() as stack:
            ending = _Ending(campaign.watcher.note)
            stack.callback(ending.tell)
            stack.callback(pool.shutdown, cancel_futures=True)
            stack.push(ending.begin)
            results = _Board(campaign, pool, told).run()
        if common.code is not None and not _unchanged(common.code, campaign.planned.spec):
            says = "a file of the code, or beside it, has changed since the start"
            campaign.watcher.note(f"{says}: nothing more was kept for later runs")
        return results
    except BrokenProcessPool as error:
        raise ArmFailed("a worker process died; is there enough memory?") from error


class _Ending:
    """Of workers, for an exit stack. After an error one that is told to end stops its arm, and says so in the
    journal; else all is done, and the pool tells them.

    One that does not hear, as its target lets no time pass, or that waits for a thread of its target's, is
    killed in the end.
    """

    def __init__(self, note: Callable[[str], object]) -> None:
        self._note = note
        self._killed = 0

    def begin(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Tell them, where they have to be told, and begin to wait."""
        workers = multiprocessing.active_children()
        if error is not None:
            for worker in workers:
                (worker.terminate if isinstance(error, Interrupted) else worker.kill)()
        patience = threading.Thread(target=self._kill_in_the_end, args=[workers, error is None], daemon=True)
        patience.start()

    def tell(self) -> None:
        """Say what was done after all had been measured."""
        if self._killed:
            why = "the target has left threads that are no daemons, or what it runs at exit hangs"
            self._note(f"all is measured; workers that did not end were killed ({self._killed}): {why}")

    def _kill_in_the_end(self, workers: Sequence[BaseProcess], all_done: bool) -> None:
        clock, left = WallClock(), {worker.sentinel: worker for worker in workers}
        until = clock.monotonic() + PATIENCE_SECONDS
        while left and (patience := until - clock.monotonic()) > 0:
            for ended in wait(list(left), patience):
                left.pop(cast("int", ended))
        self._killed = len(left) if all_done else 0
        for worker in left.values():
            worker.kill()


def staggered(groups: Sequence[Sequence[T]], jobs: int) -> Iterator[T]:
    """The order in which things are begun: the first of a group well before its others, with so many
    workers, so that what all of them start from is made once and lies there when they come.
    """
    led = 0
    for index, group in enumerate(groups):
        for leading in groups[led : index + jobs]:
            yield from leading[:1]
        led = max(led, index + jobs)
        yield from group[1:]


class _Board:
    """Which arms of which trials are under way."""

    def __init__(self, campaign: Campaign, pool: ProcessPoolExecutor, told: SimpleQueue[Done]) -> None:
        self._campaign = campaign
        self._pool = pool
        self._told = told
        self._trials = {_key(trial): trial for trial in campaign.planned.trials}
        self._results: list[TrialResult] = []
        self._futures: set[Future[None]] = set()
        self._done: queue.Queue[Future[None]] = queue.Queue()
        self._left: dict[Key, set[Arm]] = {}
        self._tries: dict[Key, int] = {}
        self._progress = Progress(campaign, len(campaign.planned.trials))

    def run(self) -> list[TrialResult]:
        for trial in self._trials.values():
            self._open(trial)
        for pack in staggered(self._groups(), self._campaign.wanted.jobs):
            self._submit(pack)
        heard = self._campaign.clock.monotonic()
        while self._futures:
            future = None
            with contextlib.suppress(queue.Empty):
                future = self._done.get(timeout=LOOK_EVERY_SECONDS)
            while not self._told.empty():  # by a worker, before its future is done
                scenario, seed, arm = self._told.get()
                self._tick_off((scenario, seed), arm)
                heard = self._campaign.clock.monotonic()
            if future is not None:
                future.result()
                self._futures.remove(future)
                heard = self._campaign.clock.monotonic()
            if self._campaign.stop.asked:
                raise Interrupted("stopped by the user")
            if self._campaign.clock.monotonic() - heard > SILENT_SECONDS:
                raise ArmFailed(f"no arm has come to its end for {SILENT_SECONDS / 60:g} minutes")
        if left := [f"{scenario}, seed {seed}" for (scenario, seed), arms in self._left.items() if arms]:
            raise ArmFailed(f"arms were begun and nobody heard of their end: {'; '.join(left)}")
        order = list(self._trials)
        return sorted(self._results, key=lambda result: order.index((result.scenario, result.seed)))

    def _groups(self) -> list[list[list[ArmPlan]]]:
        """Packs of arms, in groups that start from the same warm-up.

        A pack is no larger than a worker's share of all arms, so that none is out of work early.
        """
        groups: dict[str, list[ArmPlan]] = {}
        for trial in self._trials.values():
            for arm in trial.arms:
                groups.setdefault(f"{arm.world} {arm.seed}", []).append(arm)
        most = -(-sum(map(len, groups.values())) // self._campaign.wanted.jobs)
        if not (self._campaign.planned.spec.driver.forks and hasattr(os, "fork")):
            return [[[arm] for arm in group] for group in groups.values()]
        return [packed(group, most) for group in groups.values()]

    def _open(self, trial: TrialPlan) -> None:
        open_trial(trial, self._campaign.folder)
        self._left[_key(trial)] = {arm.arm for arm in trial.arms}

    def _submit(self, arms: Sequence[ArmPlan]) -> None:
        job = Job(tuple((arm.scenario, arm.seed, arm.arm) for arm in arms))
        future = self._pool.submit(work, job)
        self._futures.add(future)
        future.add_done_callback(self._done.put)

    def _tick_off(self, key: Key, arm: Arm) -> None:
        self._left[key].remove(arm)
        if not self._left[key]:
            self._finish(self._trials[key])

    def _finish(self, trial: TrialPlan) -> None:
        """Score a trial whose arms are all done; one that is void may be tried again."""
        campaign, key = self._campaign, _key(trial)
        folder = trial_folder(campaign.folder, trial)
        result = score_folder(folder)
        tries = self._tries[key] = self._tries.get(key, 0) + 1
        if result.verdict is Verdict.VOID and tries <= campaign.wanted.rerun_void:
            set_aside(folder, tries)
            campaign.trying_again(*key, tries + 1)
            self._open(trial)
            for arm in trial.arms:
                self._submit([arm])
            return
        keep_data(campaign.wanted.keep, folder, trial, result)
        if len(campaign.planned.trials) == 1:
            replay(trial, folder, campaign.watcher)
        self._results.append(result)
        self._progress.done(self._results)


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


class _Worker:
    """What a worker knows, and does when it is told to end: its arms and those that wait stop, and say so."""

    def __init__(self, common: Common, told: SimpleQueue[Done]) -> None:
        self.common = common
        self.stop = StopSignal()
        self._record = ProcessRecord(common.folder)
        self._told = told
        self._children: set[int] = set()

    def __call__(self, _number: int, _frame: object) -> None:
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


WORKER: ContextVar[_Worker] = ContextVar("worker")
"""In a worker: what it knows."""


def _common(campaign: Campaign) -> Common:
    spec, wanted = campaign.planned.spec, campaign.wanted
    code = campaign.code or code_of(wanted, spec, campaign.watcher.note)
    return Common(
        spec=spec.model_dump_json(by_alias=True),
        folder=campaign.folder,
        found=home_of(spec.driver.factory or ""),
        cache=wanted.cache,
        shared=wanted.shared,
        code=code,
    )


def _begin(common: Common, told: SimpleQueue[Done]) -> None:
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
    worker = _Worker(common, told)
    WORKER.set(worker)
    signal.signal(signal.SIGTERM, worker)
    ProcessRecord(common.folder).note("worker", os.getpid())


def _key(trial: TrialPlan) -> Key:
    return trial.scenario.scenario, trial.seed


def _facts() -> Mapping[str, str]:
    pinned = ("OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS")
    return {
        **versions(),
        "machine": platform.machine(),
        **{name: os.environ.get(name, "") for name in pinned},
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
    return ArmCache(folder, code.salt, lambda: _unchanged(code, spec))


def _unchanged(code: Code, spec: TargetSpec) -> bool:
    try:
        return stamp_of(_packages(spec, code.plugins)) == code.stamp
    except (NotKnown, OSError):
        return False


def _packages(spec: TargetSpec, plugins: Sequence[str]) -> list[Path]:
    added = {path for value in plugins for path in package_of(value)}
    return list(dict.fromkeys([Path(__file__).parent, *packages_of(spec), *sorted(added)]))
