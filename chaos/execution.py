"""Runs what was planned: arm by arm on real processes, or in parallel in virtual time; then scores it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from chaos.app import Planned, Wanted, make_driver, new_run_folder, options_of, version, versions
from chaos.campaign import Campaign, Progress, Watcher, keep_data, set_aside, write_so_far
from chaos.catalogue import Catalogue
from chaos.clock import WallClock
from chaos.domain.pace import at_pace, pace_for
from chaos.domain.plan import TrialPlan
from chaos.domain.verdict import Results, TrialResult, Unfinished, Verdict
from chaos.errors import ChaosError, LeftBehind, UndoFailed
from chaos.parallel import run_in_parallel
from chaos.results import RunInfo, score_folder, undo_failures, write_reports
from chaos.runner.cache import Code
from chaos.runner.guardian import Guardian
from chaos.runner.imports import as_here
from chaos.runner.remains import ProcessRecord
from chaos.runner.stop import StopSignal, on_signals
from chaos.runner.trials import RunContext, run_trial, trial_folder


def execute(
    wanted: Wanted, planned: Planned, catalogue: Catalogue, watcher: Watcher, code: Code | None = None
) -> tuple[Results, Path]:
    """Run all trials and write results and reports. `code` is what an earlier run in this process began with.

    Raises ChaosError; what was started is taken down.

    Where that cannot be done (LeftBehind) the reports are written all the same, and the record stays open.
    """
    clock = WallClock()
    run, folder = new_run_folder(wanted.out, clock)
    for says in planned.notes:
        watcher.note(says)
    planned = at_this_machines_pace(wanted, planned, watcher.note)
    paces = [trial.arms[0].day_seconds for trial in planned.trials if trial.scenario.day_seconds is None]
    paces += [trial.arms[0].day_seconds for trial in planned.trials]
    info = RunInfo(
        run=run,
        mlchaos=version(),
        target=planned.spec.target,
        day_seconds=paces[0] if paces else planned.spec.day_seconds,
        started_at=clock.utc().isoformat(timespec="seconds"),
        not_run=planned.not_run,
        options=options_of(wanted),
        planned=[Unfinished(scenario=one.scenario.scenario, seed=one.seed) for one in planned.trials],
        files=planned.files,
    )
    info.save(folder)
    write_so_far(folder, [], wanted.junit)
    record = ProcessRecord(folder)
    record.note("runner", os.getpid())
    stop = StopSignal()
    campaign = Campaign(wanted, planned, catalogue, watcher, clock, info, folder, stop, record, code)
    with ExitStack() as stack:
        stack.enter_context(on_signals(stop, watcher.stopping))
        guardian = Guardian(folder)
        stack.callback(guardian.close)
        stack.push(record.close_after)
        stack.enter_context(telling_failed_undos(lambda: [folder]))
        try:
            virtual = planned.spec.driver.kind == "virtual"
            trials = run_in_parallel(campaign) if virtual else _run_in_turn(campaign)
            return write_reports(folder, trials), folder
        except LeftBehind:
            write_reports(folder)
            raise


@contextmanager
def telling_failed_undos(runs: Callable[[], Iterable[Path]]) -> Iterator[None]:
    """However it ends early, an undo that failed in one of these runs is told. Raises UndoFailed."""
    try:
        yield
    except UndoFailed:
        raise
    except (ChaosError, OSError) as error:
        if failed := [undo for run in runs() for undo in undo_failures(run)]:
            raise UndoFailed(f"{error}, and an undo failed: {', '.join(failed)}") from error
        raise


def _measured() -> float:
    from chaos.drivers.local.gauge import pieces_per_second

    return pieces_per_second(as_here())


def at_this_machines_pace(
    wanted: Wanted,
    planned: Planned,
    note: Callable[[str], object],
    measure: Callable[[], float] = _measured,
) -> Planned:
    """All trials at the target's pace, or at a slower one that this machine keeps, which is told to `note`.

    `measure` gives pieces of work a second; it is asked only where the pace is free and costs are known.
    """
    spec = planned.spec
    free = wanted.day_seconds is None and any(trial.scenario.day_seconds is None for trial in planned.trials)
    if not free or spec.day_work is None or spec.driver.kind != "local":
        return planned
    pace = pace_for(spec.day_seconds, spec.day_work, measure())
    if pace.says:
        note(pace.says)
    return replace(planned, trials=[at_pace(trial, pace) for trial in planned.trials])


def _run_in_turn(campaign: Campaign) -> list[TrialResult]:
    """One arm after the other: real processes want the machine to themselves."""
    trials: list[TrialResult] = []
    pending = list(campaign.planned.trials)
    with ExitStack() as stack:
        spec = campaign.planned.spec
        driver = make_driver(
            spec, campaign.folder, campaign.clock, campaign.record.note, lambda: campaign.stop.asked
        )
        stack.callback(driver.close)
        context = RunContext(
            run=campaign.info.run,
            mlchaos=campaign.info.mlchaos,
            started_at=campaign.info.started_at,
            folder=campaign.folder,
            spec=spec,
            catalogue=campaign.catalogue,
            driver=driver,
            stop=campaign.stop,
            show=campaign.watcher.show,
            versions=versions(),
        )
        progress = Progress(campaign, len(pending))
        for plan in pending:
            result = _run_one(plan, context, campaign)
            trials.append(result)
            progress.done(trials)
    return trials


def _run_one(plan: TrialPlan, context: RunContext, campaign: Campaign) -> TrialResult:
    """A trial, tried again while it is void and tries are left; each try keeps its folder."""
    for attempt in range(campaign.wanted.rerun_void + 1):
        run_trial(plan, context)
        folder = trial_folder(campaign.folder, plan)
        result = score_folder(folder)
        keep_data(campaign.wanted.keep, folder, plan, result)
        if result.verdict is not Verdict.VOID or attempt == campaign.wanted.rerun_void:
            break
        set_aside(folder, attempt + 1)
        campaign.trying_again(plan.scenario.scenario, plan.seed, attempt + 2)
    return result
