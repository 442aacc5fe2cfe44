"""Runs planned trials, arm by arm, and leaves their journals on disk. Judges nothing."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from chaos.catalogue import Catalogue
from chaos.contracts import Driver
from chaos.domain.event import Event
from chaos.domain.plan import ArmPlan, TrialPlan
from chaos.domain.scenario import Arm
from chaos.domain.target import TargetSpec
from chaos.domain.wrong import first_of
from chaos.errors import ArmFailed, Interrupted, InvalidInput, Problem
from chaos.journal import journal_name
from chaos.runner.cache import ArmCache
from chaos.runner.execute import ArmContext, ArmRun
from chaos.runner.stop import StopSignal
from chaos.runner.trunk import Processes, Trunk
from chaos.whole import write_whole

TRIAL = "trial.json"

Show = Callable[[TrialPlan, Arm, Event], None]


@dataclass(frozen=True)
class RunContext:
    """What all trials of a run share."""

    run: str
    mlchaos: str
    started_at: str
    folder: Path
    spec: TargetSpec
    catalogue: Catalogue
    driver: Driver
    stop: StopSignal
    show: Show
    versions: Mapping[str, str]
    cache: ArmCache | None = None
    shared: ArmCache | None = None

    def cache_of(self, arm: Arm) -> ArmCache | None:
        """Where an arm's journal may be found: a fault's code may lie outside of what the cache knows."""
        if self.shared is not None and not arm.has_layers:
            return self.shared
        return None if arm.has_fault else self.cache


def trial_folder(run_folder: Path, plan: TrialPlan) -> Path:
    """Where a trial's plan, journals, logs and stores are."""
    return folder_of(run_folder, plan.scenario.scenario, plan.seed)


def folder_of(run_folder: Path, scenario: str, seed: int) -> Path:
    """The same, by the scenario's name."""
    return run_folder / f"{scenario}-{seed}"


def journal_path(folder: Path, arm: Arm) -> Path:
    """Where an arm's journal is, within its trial's folder."""
    return folder / journal_name(arm)


def open_trial(plan: TrialPlan, run_folder: Path) -> Path:
    """Make a trial's folder, with its plan."""
    folder = trial_folder(run_folder, plan)
    folder.mkdir(parents=True)
    write_whole(folder / TRIAL, plan.model_dump_json(by_alias=True, indent=1))
    return folder


def run_trial(plan: TrialPlan, context: RunContext) -> None:
    """Run a trial's arms in order. An arm that cannot be driven ends the trial; its journal says why.

    Raises Interrupted or KeyboardInterrupt when the user asked to stop.
    """
    open_trial(plan, context.folder)
    for arm in plan.arms:
        if context.stop.asked:
            raise Interrupted("stopped by the user")
        try:
            run_arm(plan, arm, context)
        except ArmFailed:
            return


def run_arm(trial: TrialPlan, plan: ArmPlan, context: RunContext) -> None:
    """Run one arm, or take its journal from the cache. Raises ArmFailed, Interrupted or KeyboardInterrupt."""
    arm = _arm_run(trial, plan, context)
    if not _take(arm, context):
        arm.run()
        _keep(arm, context)


def run_arms(arms: Sequence[tuple[TrialPlan, ArmPlan]], context: RunContext, processes: Processes) -> None:
    """Run arms that may share a trunk, but for those that are taken from the cache.

    What befalls an arm is said in its journal. Raises ArmFailed where a process died.
    """
    left = []
    for arm in [_arm_run(trial, plan, context) for trial, plan in arms]:
        if _take(arm, context):
            processes.done(arm.plan)
        else:
            left.append(arm)
    if len(left) > 1:
        Trunk(left, processes, lambda arm: _keep(arm, context)).run()
        return
    for arm in left:
        with contextlib.suppress(ArmFailed, Interrupted):
            arm.run()
            _keep(arm, context)
        processes.done(arm.plan)


def _take(arm: ArmRun, context: RunContext) -> bool:
    cache = context.cache_of(arm.plan.arm)
    if cache is not None and cache.take(arm.plan, arm.context.journal):
        return True
    arm.context.folder.mkdir()
    return False


def _keep(arm: ArmRun, context: RunContext) -> None:
    cache = context.cache_of(arm.plan.arm)
    if cache is not None:
        cache.keep(arm.plan, arm.context.journal)


def _arm_run(trial: TrialPlan, plan: ArmPlan, context: RunContext) -> ArmRun:
    folder = trial_folder(context.folder, trial)
    return ArmRun(
        plan,
        ArmContext(
            run=context.run,
            mlchaos=context.mlchaos,
            started_at=context.started_at,
            folder=folder / plan.arm.value,
            journal=journal_path(folder, plan.arm),
            spec=context.spec,
            catalogue=context.catalogue,
            driver=context.driver,
            stop=context.stop,
            show=lambda event: context.show(trial, plan.arm, event),
            versions=dict(context.versions),
        ),
    )


def read_trial(folder: Path) -> TrialPlan:
    """The plan that a trial's folder was run by. Raises InvalidInput with the file where it is damaged."""
    file = folder / TRIAL
    try:
        return TrialPlan.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        says = first_of(error) if isinstance(error, ValidationError) else str(error)
        raise InvalidInput([Problem(str(file), 1, "", f"is no plan of a trial: {says}")]) from error


def thin_out(folder: Path, plan: TrialPlan, kept: Sequence[str]) -> None:
    """Remove the arms' data but for the named folders, such as logs and the registry's store."""
    for arm in plan.arms:
        root = folder / arm.arm.value / "stack"
        if root.is_dir():
            for path in root.iterdir():
                if path.is_dir() and path.name not in kept:
                    shutil.rmtree(path)
