"""Trials in virtual time, in as many worker processes as there are jobs."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import platform
import queue
import signal
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from chaos.app import make_catalogue, version, versions
from chaos.campaign import Campaign, Progress, keep_data, replay, set_aside
from chaos.domain.event import Event
from chaos.domain.plan import ArmPlan, TrialPlan
from chaos.domain.scenario import Arm
from chaos.domain.target import TargetSpec
from chaos.domain.verdict import TrialResult, Verdict
from chaos.drivers.virtual.driver import VirtualDriver, package_of
from chaos.errors import ArmFailed, Interrupted
from chaos.results import score_folder
from chaos.runner.cache import ArmCache, salt_of
from chaos.runner.execute import StopSignal
from chaos.runner.remains import ProcessRecord
from chaos.runner.trials import RunContext, open_trial, run_arm, trial_folder

LOOK_EVERY_SECONDS = 0.2
VIRTUAL_RUN = "virtual"
"""Stands in a virtual journal's header for the run and the date, so that equal runs have equal bytes."""


@dataclass(frozen=True)
class Job:
    """One arm for a worker. Plans travel as JSON."""

    trial: str
    arm: Arm
    spec: str
    folder: Path
    cache: Path | None
    shared: Path | None
    salt: str


def run_in_parallel(campaign: Campaign) -> list[TrialResult]:
    """Run all trials. Raises Interrupted when the user asked to stop, ArmFailed when a worker died."""
    _pin(os.environ)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_preload(campaign.planned.spec))
    pool = ProcessPoolExecutor(
        max_workers=campaign.wanted.jobs,
        mp_context=context,
        initializer=_begin,
        initargs=(campaign.folder,),
    )
    try:
        with contextlib.ExitStack() as stack:
            stack.callback(pool.shutdown, cancel_futures=True)
            stack.push(_end_workers)
            return _Board(campaign, pool).run()
    except BrokenProcessPool as error:
        raise ArmFailed("a worker process died; is there enough memory?") from error


def _end_workers(
    _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
) -> None:
    """After an error: one that is told to end stops its arm, and says so in the journal."""
    if error is None:
        return
    for worker in multiprocessing.active_children():
        (worker.terminate if isinstance(error, Interrupted) else worker.kill)()


def staggered(trials: Sequence[TrialPlan], jobs: int) -> Iterator[tuple[TrialPlan, Sequence[ArmPlan]]]:
    """The order in which arms are begun: the first arm of a trial well before its others, with so many
    workers, so that what all of them start from is made once and lies there when they come.
    """
    led = 0
    for index, trial in enumerate(trials):
        for leading in trials[led : index + jobs]:
            yield leading, leading.arms[:1]
        led = max(led, index + jobs)
        yield trial, trial.arms[1:]


class _Board:
    """Which arms of which trials are under way."""

    def __init__(self, campaign: Campaign, pool: ProcessPoolExecutor) -> None:
        self._campaign = campaign
        self._pool = pool
        self._results: list[TrialResult] = []
        self._futures: dict[Future[None], tuple[str, int]] = {}
        self._done: queue.SimpleQueue[Future[None]] = queue.SimpleQueue()
        self._left: dict[tuple[str, int], int] = {}
        self._tries: dict[tuple[str, int], int] = {}
        self._salt = _salt(campaign.planned.spec)
        self._progress = Progress(campaign, len(campaign.planned.trials))

    def run(self) -> list[TrialResult]:
        trials = {_key(trial): trial for trial in self._campaign.planned.trials}
        for trial, arms in staggered(list(trials.values()), self._campaign.wanted.jobs):
            self._submit(trial, arms)
        while self._futures:
            with contextlib.suppress(queue.Empty):
                future = self._done.get(timeout=LOOK_EVERY_SECONDS)
                future.result()
                key = self._futures.pop(future)
                self._left[key] -= 1
                if self._left[key] == 0:
                    self._finish(trials[key])
            if self._campaign.stop.asked:
                raise Interrupted("stopped by the user")
        order = list(trials)
        return sorted(self._results, key=lambda result: order.index((result.scenario, result.seed)))

    def _submit(self, trial: TrialPlan, arms: Sequence[ArmPlan]) -> None:
        if _key(trial) not in self._left:
            open_trial(trial, self._campaign.folder)
            self._left[_key(trial)] = len(trial.arms)
        wanted = self._campaign.wanted
        job = Job(
            trial=trial.model_dump_json(by_alias=True),
            arm=trial.arms[0].arm,
            spec=self._campaign.planned.spec.model_dump_json(by_alias=True),
            folder=self._campaign.folder,
            cache=wanted.cache,
            shared=wanted.shared,
            salt=self._salt,
        )
        for arm in arms:
            future = self._pool.submit(work, replace(job, arm=arm.arm))
            self._futures[future] = _key(trial)
            future.add_done_callback(self._done.put)

    def _finish(self, trial: TrialPlan) -> None:
        """Score a trial whose arms are all done; one that is void may be tried again."""
        campaign, key = self._campaign, _key(trial)
        folder = trial_folder(campaign.folder, trial)
        result = score_folder(folder)
        tries = self._tries[key] = self._tries.get(key, 0) + 1
        if result.verdict is Verdict.VOID and tries <= campaign.wanted.rerun_void:
            set_aside(folder, tries)
            campaign.watcher.note(f"{key[0]}, seed {key[1]}: void; try {tries + 1}")
            del self._left[key]
            self._submit(trial, trial.arms)
            return
        keep_data(campaign.wanted.keep, folder, trial, result)
        if len(campaign.planned.trials) == 1:
            replay(trial, folder, campaign.watcher)
        self._results.append(result)
        self._progress.done(self._results)


def work(job: Job) -> None:
    """In a worker: one arm, its journal on disk."""
    trial = TrialPlan.model_validate_json(job.trial)
    plan: ArmPlan = next(arm for arm in trial.arms if arm.arm is job.arm)
    stopper = signal.getsignal(signal.SIGTERM)
    stop = stopper.stop if isinstance(stopper, _Stopper) else StopSignal()
    if stop.asked:
        return
    context = RunContext(
        run=VIRTUAL_RUN,
        mlchaos=version(),
        started_at=VIRTUAL_RUN,
        folder=job.folder,
        spec=TargetSpec.model_validate_json(job.spec),
        catalogue=make_catalogue(),
        driver=VirtualDriver(),
        stop=stop,
        show=_unseen,
        versions=_facts(),
        cache=None if job.cache is None else ArmCache(job.cache, job.salt),
        shared=None if job.shared is None else ArmCache(job.shared, job.salt),
    )
    try:
        run_arm(trial, plan, context)
    except (ArmFailed, Interrupted):
        return  # the arm's journal says why, and makes the trial void


def _unseen(_plan: TrialPlan, _arm: Arm, _event: Event) -> None:
    pass


class _Stopper:
    """What a worker does when it is told to end: this arm and those that wait stop, and say so."""

    def __init__(self) -> None:
        self.stop = StopSignal()

    def __call__(self, _number: int, _frame: object) -> None:
        self.stop.asked = True


def _begin(folder: Path) -> None:
    """A worker leaves Ctrl-C to its parent, and is known to the guardian."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _Stopper())
    ProcessRecord(folder).note("worker", os.getpid())


def _key(trial: TrialPlan) -> tuple[str, int]:
    return trial.scenario.scenario, trial.seed


def _preload(spec: TargetSpec) -> list[str]:
    module, _, _ = (spec.driver.factory or "").partition(":")
    return ["chaos.parallel", module]


def _pin(environment: os._Environ[str]) -> None:
    """One BLAS thread and one kernel for all machines of a family, before a worker imports numpy."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        environment.setdefault(name, "1")
    if platform.machine() in ("x86_64", "AMD64"):
        environment.setdefault("OPENBLAS_CORETYPE", "Haswell")


def _facts() -> Mapping[str, str]:
    pins = ("OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS")
    return {**versions(), "machine": platform.machine(), **{pin: os.environ.get(pin, "") for pin in pins}}


def _salt(spec: TargetSpec) -> str:
    packages = [Path(__file__).parent, package_of(spec)]
    return salt_of(packages, {**_facts(), "target": spec.model_dump_json(by_alias=True)})
