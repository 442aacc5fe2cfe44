"""Trials in virtual time, in as many worker processes as there are jobs."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from multiprocessing.queues import SimpleQueue
from types import TracebackType
from typing import TypeVar, cast

from chaos.campaign import Campaign, Progress, keep_data, replay, set_aside
from chaos.clock import WallClock
from chaos.domain.plan import ArmPlan, TrialPlan
from chaos.domain.scenario import Arm
from chaos.domain.verdict import TrialResult, Verdict
from chaos.drivers.blas import pins
from chaos.drivers.virtual import preloading
from chaos.drivers.virtual.ahead import made_ahead
from chaos.drivers.virtual.driver import home_of
from chaos.errors import ArmFailed, Interrupted
from chaos.results import rehearse_reports, score_folder
from chaos.runner.imports import as_here, imported_as_here
from chaos.runner.parents import RUNNER
from chaos.runner.trials import open_trial, trial_folder
from chaos.runner.trunk import packed
from chaos.worker import Common, Done, Job, begin, code_of, unchanged, work

T = TypeVar("T")

LOOK_EVERY_SECONDS = 0.2
PATIENCE_SECONDS = 15.0
"""So long a worker that is told to end may take for it: to stop its arm takes a moment."""
SILENT_SECONDS = 3600.0
"""An arm of a large world lives for minutes; a target of somebody's own that never comes back, for ever."""
BOUND = "chaos.runner.bound"
"""Only the process imports it that workers are forked from."""

Key = tuple[str, int]
"""A trial: its scenario and its seed."""


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
    context.set_forkserver_preload([BOUND, work.__module__, preloading.__name__])
    with imported_as_here():
        forkserver.ensure_running()
    told: SimpleQueue[Done] = context.SimpleQueue()
    pool = ProcessPoolExecutor(
        max_workers=campaign.wanted.jobs,
        mp_context=context,
        initializer=begin,
        initargs=(common, told),
    )
    try:
        with contextlib.ExitStack() as stack:
            ending = _Ending(campaign.watcher.note)
            stack.callback(ending.tell)
            stack.callback(pool.shutdown, cancel_futures=True)
            stack.push(ending.begin)
            results = _Board(campaign, pool, told).run()
        if common.code is not None and not unchanged(common.code, campaign.planned.spec):
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


def _key(trial: TrialPlan) -> Key:
    return trial.scenario.scenario, trial.seed
