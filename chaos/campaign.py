"""What all ways of running a campaign share: who watches, how results are written, what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from chaos.app import Planned, Wanted
from chaos.catalogue import Catalogue
from chaos.clock import Clock
from chaos.domain.event import Event
from chaos.domain.plan import TrialPlan
from chaos.domain.scenario import Arm
from chaos.domain.verdict import TrialResult, Verdict
from chaos.journal import read
from chaos.results import SET_ASIDE, VOID_TRY, RunInfo, compose
from chaos.runner.cache import Code
from chaos.runner.remains import ProcessRecord
from chaos.runner.stop import StopSignal
from chaos.runner.trials import TRIAL, journal_path, thin_out

KEPT = ("logs", "registry")
WRITE_EVERY_SECONDS = 1.0


class Watcher(Protocol):
    """Who is shown what happens."""

    def show(self, plan: TrialPlan, arm: Arm, event: Event) -> None:
        """An event of an arm, as it is journalled."""
        ...

    def progress(self, done: Sequence[TrialResult], total: int, seconds_left: float) -> None:
        """A trial has ended; an estimate of the time for the rest."""
        ...

    def stopping(self) -> None:
        """The user asked to stop."""
        ...

    def note(self, says: str) -> None:
        """Something worth a line."""
        ...


@dataclass(frozen=True)
class Campaign:
    """A run under way: everything its trials share."""

    wanted: Wanted
    planned: Planned
    catalogue: Catalogue
    watcher: Watcher
    clock: Clock
    info: RunInfo
    folder: Path
    stop: StopSignal
    record: ProcessRecord
    code: Code | None = None
    """What the trials are computed by, where that is known already."""

    def trying_again(self, scenario: str, seed: int, attempt: int) -> None:
        """Say that a void trial is tried once more."""
        name = "a scenario" if self.wanted.blind else scenario
        self.watcher.note(f"{name}, seed {seed}: void; try {attempt}")


def set_aside(folder: Path, attempt: int) -> None:
    """Rename a void trial's folder, so that the next try finds its place free. Its plan counts no more, also
    where nobody comes to the second renaming.
    """
    (folder / TRIAL).rename(folder / SET_ASIDE)
    folder.rename(folder.with_name(f"{folder.name}{VOID_TRY}{attempt}"))


def keep_data(keep: str, folder: Path, plan: TrialPlan, result: TrialResult) -> None:
    """Remove an arm's data unless it is to be looked at."""
    if keep == "never" or (keep == "failed" and result.verdict is Verdict.PASSED):
        thin_out(folder, plan, KEPT)


def replay(plan: TrialPlan, folder: Path, watcher: Watcher) -> None:
    """Show a trial that was run elsewhere, from its journals."""
    for arm in plan.arms:
        path = journal_path(folder, arm.arm)
        if path.exists():
            for event in read(path).events:
                watcher.show(plan, arm.arm, event)


def write_so_far(folder: Path, trials: Sequence[TrialResult], junit: Path | None) -> None:
    """Results of a run that goes on: what has not ended is told as such, in the place of older files."""
    from chaos.reports.json_report import write_json
    from chaos.reports.junit import write_junit
    from chaos.whole import is_plain

    results = compose(folder, list(trials))
    write_json(results, folder / "results.json")
    if junit is not None and is_plain(junit):  # who reads a pipe wants one document, at the end
        write_junit(results, junit)


class Progress:
    """Writes results as trials end, and estimates the time for the rest."""

    def __init__(self, campaign: Campaign, total: int) -> None:
        self._campaign = campaign
        self._total = total
        self._started = campaign.clock.monotonic()
        self._written = self._started

    def done(self, trials: Sequence[TrialResult]) -> None:
        """Another trial has ended."""
        now = self._campaign.clock.monotonic()
        left = (now - self._started) / len(trials) * (self._total - len(trials))
        self._campaign.watcher.progress(trials, self._total, left)
        if now - self._written < WRITE_EVERY_SECONDS or len(trials) == self._total:
            return
        self._written = now
        write_so_far(self._campaign.folder, trials, self._campaign.wanted.junit)
