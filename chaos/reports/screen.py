"""What a user sees of a run: the timeline while it goes on, then the answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from rich.console import Console

from chaos.domain.comparison import Comparison
from chaos.domain.event import Event
from chaos.domain.plan import TrialPlan
from chaos.domain.scenario import Arm
from chaos.domain.verdict import Results, TrialResult, Verdict
from chaos.reports.comparison import lines
from chaos.reports.suite import is_suite, suite_answer
from chaos.reports.terminal import answer
from chaos.reports.timeline import Timeline

WIDTH = 100


class Screen:
    """A terminal, or plain lines elsewhere; `quiet` shows nothing, for --json."""

    def __init__(self, *, quiet: bool, fault_names: bool = True, file: TextIO | None = None) -> None:
        self._quiet = quiet
        self._names = fault_names
        self._console = Console(file=file, highlight=False)
        if not self._console.is_terminal:
            self._console = Console(file=file, highlight=False, width=WIDTH, no_color=True)
        self._timeline = Timeline(self._console, fault_names=fault_names)
        self._trial = ""

    def show(self, plan: TrialPlan, arm: Arm, event: Event) -> None:
        """An event of an arm, as it is journalled."""
        if self._quiet:
            return
        trial = self._trial_of(plan.scenario.scenario, plan.seed)
        if trial != self._trial:
            self._trial = trial
            self._console.print(f"{trial}: {', '.join(one.arm.value for one in plan.arms)}", soft_wrap=True)
        self._timeline.show(event, arm, trial, watchdog=plan.arms[0].watchdog)

    def event(self, event: Event, who: str) -> None:
        """An event of a stack that stands."""
        self._timeline.show(event, who)

    def progress(self, done: Sequence[TrialResult], total: int, seconds_left: float) -> None:
        """A trial has ended: how many passed so far, and how long the rest may take."""
        if self._quiet or total == 1:
            return
        counts = [sum(1 for trial in done if trial.verdict is verdict) for verdict in Verdict]
        told = ", ".join(f"{n} {verdict.value}" for n, verdict in zip(counts, Verdict, strict=True) if n)
        last = done[-1]
        minutes, seconds = divmod(round(seconds_left), 60)
        self._console.print(
            f"{len(done):>4}/{total}  {self._trial_of(last.scenario, last.seed)}: {last.verdict.value}"
            f"   ({told}; about {minutes}:{seconds:02} left)",
            soft_wrap=True,
        )

    def _trial_of(self, scenario: str, seed: int) -> str:
        return f"{scenario if self._names else 'a scenario'}, seed {seed}"

    def note(self, says: str) -> None:
        """Something worth a line."""
        if not self._quiet:
            self._console.print(says, soft_wrap=True)

    def ask(self, says: str) -> None:
        """Something that waits for an answer: where standard output is for a program, on standard error."""
        if self._quiet:
            Console(stderr=True, highlight=False).print(says, soft_wrap=True)
        else:
            self.note(says)

    def stopping(self) -> None:
        """The user asked to stop."""
        if not self._quiet:
            self._console.print("stopping: undoing and taking down; press Ctrl-C again to stop at once")

    def comparison(self, found: Comparison) -> None:
        """Two runs side by side."""
        for line in lines(found, min(WIDTH, self._console.width)):
            self._console.print(line, soft_wrap=True)

    def results(self, results: Results, folder: Path) -> None:
        """The answer."""
        if not self._quiet:
            width = min(WIDTH, self._console.width)
            lines = suite_answer(results, folder) if is_suite(results) else answer(results, folder, width)
            for line in lines:
                self._console.print(line, soft_wrap=True)
