"""`mlchaos run SCENARIO --into NAME`: a scenario against a stack that stands, which has no other arms."""

from __future__ import annotations

import math
import os
import select
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

import msgspec

from chaos.app import Planned, Wanted, check_can_visit, new_run_folder, plan_run, version
from chaos.campaign import Watcher, write_so_far
from chaos.catalogue import Catalogue
from chaos.clock import WallClock
from chaos.domain.files import Files
from chaos.domain.plan import TrialPlan
from chaos.domain.scenario import Arm
from chaos.domain.verdict import Results, Unfinished
from chaos.errors import ArmFailed, Interrupted, UsageError
from chaos.results import RunInfo, write_reports
from chaos.runner.adopt import onto
from chaos.runner.stop import StopSignal, on_signals
from chaos.runner.trials import open_trial
from chaos.standing import place
from chaos.standing.up import Asked, ask_status, plan_of
from chaos.standing.wire import Answer, Go, Happened, Line, Run, Stop, Waiting

PAUSES = ("inject", "undo")
NOBODY = "--pause-before: nobody is there to say that it may go on; its input is at its end"
STOPPING = "stopping: undoing what it did; the stack stays"
SOON_DAYS = 0.02
SOON_SECONDS = 1.0
"""So long it may take until the stack is asked; a midnight that comes earlier is left out."""
LOOK_SECONDS = 0.2
SILENT_SECONDS = 60.0
"""After so long without a word the keeper is asked whether it is still there."""
ENTERED_AT_ONCE = 4096
MOST_LOOKS = 256
"""A pipe that always has more is not read for ever."""


def pauses_of(text: str | None) -> tuple[str, ...]:
    """`inject,undo` as names. Raises UsageError."""
    names = tuple(text.split(",")) if text else ()
    for name in names:
        if name not in PAUSES:
            raise UsageError(f"--pause-before {text}: {name!r} is not one of {', '.join(PAUSES)}")
    return names


def plan_visit(wanted: Wanted, into: str, files: Files, catalogue: Catalogue) -> tuple[Planned, place.State]:
    """Plan a scenario for a stack that stands, as it does now. Raises InvalidInput or UsageError."""
    state = place.find(into)
    _refuse_options(wanted, into, state)
    scenario, _ = files.scenario(wanted.scenarios[0])
    if scenario.seeds is not None and state.seed not in scenario.seeds:
        raise UsageError(f"the scenario fixes its seeds, and {into} stands with seed {state.seed}")
    asked = replace(
        wanted,
        target=state.described or state.target,
        seeds=(state.seed,),
        arms=(Arm.DEFENDED,),
        day_seconds=state.day_seconds,
    )
    planned = plan_run(asked, files, catalogue)
    if not planned.trials:
        return planned, state
    (trial,) = planned.trials
    if trial.scenario.world != state.world:
        raise UsageError(f"the scenario wants the world {trial.scenario.world!r}, {into} has {state.world!r}")
    check_can_visit(asked, planned)
    told = ask_status(state)
    if told.run:
        raise UsageError(f"run {told.run} has {into}; wait for its end")
    if told.open:
        raise UsageError(f"{told.open[0].id} is injected into {into}; undo it first")
    if told.gone:
        raise UsageError(
            f"{', '.join(told.gone)} of {into} ended by itself; what is run now would judge that"
        )
    start_day = float(math.ceil(told.day + max(SOON_DAYS, SOON_SECONDS / state.day_seconds)))
    if start_day + trial.scenario.days > state.days:
        raise UsageError(
            f"{into} stands until day {state.days:g}; from day {start_day:g} on there are not "
            f"{trial.scenario.days:g} days left"
        )
    standing = plan_of(Asked(into, planned.spec, state.seed, state.world, state.days, state.day_seconds))
    return replace(planned, trials=[onto(trial, into, start_day, standing.layers)]), state


def _refuse_options(wanted: Wanted, into: str, state: place.State) -> None:
    """Whether nothing is asked for that the stack has its own of. Raises UsageError."""
    if wanted.seeds is not None:
        raise UsageError(f"--seed has no meaning with --into: {into} has its own ({state.seed})")
    if wanted.day_seconds is not None:
        raise UsageError(f"--day-seconds has no meaning with --into: {into} has its own")
    if set(wanted.arms) not in ({Arm.DEFENDED}, set(Arm)):
        raise UsageError(f"--arms has no meaning with --into: {into} is the defended arm")
    if wanted.of_virtual_time:
        option = wanted.of_virtual_time[0]
        raise UsageError(f"{option} has no meaning with --into: {into} is not in virtual time")
    if wanted.rerun_void:
        raise UsageError(f"--rerun-void has no meaning with --into: {into} has had its days")
    if len(wanted.scenarios) != 1:
        raise UsageError("--into takes one scenario at a time")


@dataclass(frozen=True)
class Facilitator:
    """Whoever leads the game day: says what to do at `asks`, and is listened to at `hears`."""

    asks: Callable[[str], None]
    hears: TextIO | None

    def attend(self) -> None:
        """Raises UsageError where nobody is there: no input, or one that is at its end already."""
        for _ in range(MOST_LOOKS):
            heard = self._heard()
            if heard == b"":
                raise UsageError(NOBODY)
            if heard is None:
                return

    def forget(self) -> None:
        """Pass over what was entered before anything was asked."""
        for _ in range(MOST_LOOKS):
            if not self._heard():
                return

    def went_on(self) -> bool:
        """Whether a line was entered. Raises UsageError where nobody is there to enter one."""
        heard = self._heard()
        if heard == b"":
            raise UsageError(NOBODY)
        return heard is not None and b"\n" in heard

    def _heard(self) -> bytes | None:
        """What was entered since the last look: None for nothing yet, empty at the end of the input."""
        if self.hears is None or self.hears.closed:
            return b""
        # Past the stream's own buffer, which a look at the descriptor does not see.
        file = self.hears.fileno()
        ready, _, _ = select.select([file], [], [], 0)
        return os.read(file, ENTERED_AT_ONCE) if ready else None


def visit(
    planned: Planned,
    state: place.State,
    out: Path | None,
    junit: Path | None,
    pause_before: Sequence[str],
    watcher: Watcher,
    facilitator: Facilitator,
) -> tuple[Results, Path]:
    """Run it there and write results and reports.

    Raises UsageError where the stack's keeper refused; the stack stays as it was, and no folder is left.
    """
    clock = WallClock()
    run, folder = new_run_folder(out, clock)
    (trial,) = planned.trials
    started_at = clock.utc().isoformat(timespec="seconds")
    RunInfo(
        run=run,
        mlchaos=version(),
        target=planned.spec.target,
        day_seconds=state.day_seconds,
        started_at=started_at,
        not_run=planned.not_run,
        planned=[Unfinished(scenario=trial.scenario.scenario, seed=trial.seed)],
    ).save(folder)
    write_so_far(folder, [], junit)
    open_trial(trial, folder)
    ask = Run(
        plan=msgspec.Raw(trial.model_dump_json(by_alias=True).encode()),
        folder=str(folder),
        run=run,
        started_at=started_at,
        pause_before=tuple(pause_before),
    )
    stop = StopSignal()
    with ExitStack() as stack:
        line = stack.enter_context(Line(state.name, state.port, state.token))
        stack.enter_context(on_signals(stop, lambda: watcher.note(STOPPING)))
        line.say(ask)
        try:
            answer = _follow(line, trial, stop, watcher, facilitator, lambda: ask_status(state))
        except ArmFailed as gone:
            answer = Answer(str(gone), gone.exit_code)
    if answer.exit_code not in (0, ArmFailed.exit_code, Interrupted.exit_code):
        if answer.exit_code == UsageError.exit_code:
            shutil.rmtree(folder)  # nothing was done
        answer.ok_or_raise()
    if answer.exit_code:
        watcher.note(answer.says)
    return write_reports(folder), folder


def _follow(
    line: Line,
    trial: TrialPlan,
    stop: StopSignal,
    watcher: Watcher,
    facilitator: Facilitator,
    ask_whether_it_lives: Callable[[], object],
) -> Answer:
    """What comes of the run. Raises ArmFailed where the stack is gone, or its keeper answers nobody."""
    waits = told = False
    looks = 0
    while True:
        if stop.asked and not told:
            line.say(Stop())
            told = True
        if waits and not told:
            try:
                went_on = facilitator.went_on()
            except UsageError as nobody:  # days have passed by now: what was measured is written
                watcher.note(f"stopped: {nobody}")
                stop.asked = True
                continue
            if went_on:
                line.say(Go())
                waits = False
        try:
            word = line.hear(patience_s=LOOK_SECONDS)
        except TimeoutError:
            looks += 1
            if looks * LOOK_SECONDS >= SILENT_SECONDS:
                ask_whether_it_lives()
                looks = 0
            continue
        looks = 0
        match word:
            case Happened(event=event):
                watcher.show(trial, Arm.DEFENDED, event)
            case Waiting(before=before):
                facilitator.forget()
                waits = True
                facilitator.asks(f"press Enter to {before}")
            case Answer():
                return word
            case _:
                continue
