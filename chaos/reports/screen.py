"""What a user sees of a run: the timeline while it goes on, then the answer."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from rich.console import Console

from chaos.domain.event import Event
from chaos.domain.plan import TrialPlan
from chaos.domain.scenario import Arm
from chaos.domain.verdict import Results
from chaos.reports.terminal import answer
from chaos.reports.timeline import Timeline

WIDTH = 100


class Screen:
    """A terminal, or plain lines elsewhere; `quiet` shows nothing, for --json."""

    def __init__(self, *, quiet: bool, fault_names: bool = True, file: TextIO | None = None) -> None:
        self._quiet = quiet
        self._console = Console(file=file, highlight=False)
        if not self._console.is_terminal:
            self._console = Console(file=file, highlight=False, width=WIDTH, no_color=True)
        self._timeline = Timeline(self._console, fault_names=fault_names)
        self._trial = ""

    def show(self, plan: TrialPlan, arm: Arm, event: Event) -> None:
        """An event of an arm, as it is journalled."""
        if self._quiet:
            return
        trial = f"{plan.scenario.scenario}, seed {plan.seed}"
        if trial != self._trial:
            self._trial = trial
            self._console.print(f"{trial}: {', '.join(one.arm.value for one in plan.arms)}", soft_wrap=True)
        self._timeline.show(event, arm, trial)

    def stopping(self) -> None:
        """The user asked to stop."""
        if not self._quiet:
            self._console.print("stopping: undoing and taking down; press Ctrl-C again to stop at once")

    def results(self, results: Results, folder: Path) -> None:
        """The answer."""
        if not self._quiet:
            for line in answer(results, folder, min(WIDTH, self._console.width)):
                self._console.print(line, soft_wrap=True)
