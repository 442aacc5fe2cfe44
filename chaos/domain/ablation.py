"""Ablation: what a scenario becomes without the layers that are said to decide it."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from chaos.domain.scenario import Strict
from chaos.domain.verdict import NotRun, TrialResult, Verdict, scenario_verdict

ABLATION_SCHEMA = 1
AT_LEAST_FAILED = 0.99
"""The share of all trials without their decisive layers that must fail."""
ROW_AT_LEAST_FAILED = 0.8
"""The same for each set of layers of each scenario: four of five."""


class Counts(Strict):
    """Verdicts of the trials of one scenario."""

    passed: int
    failed: int
    void: int

    @property
    def trials(self) -> int:
        """All of them."""
        return self.passed + self.failed + self.void


def count(trials: Sequence[TrialResult]) -> Counts:
    """How the trials ended."""
    verdicts = [trial.verdict for trial in trials]
    return Counts(
        passed=verdicts.count(Verdict.PASSED),
        failed=verdicts.count(Verdict.FAILED),
        void=verdicts.count(Verdict.VOID),
    )


class AblationRow(Strict):
    """One scenario without one of its decisive sets of layers.

    `complete` counts the same trials with all layers there; `fails_on` are the expectations that failed.
    """

    scenario: str
    without: list[str]
    counts: Counts
    complete: Counts
    passes: bool = Field(description="whether the scenario passes with all layers there")
    fails_on: list[str]
    not_failed: list[int] = Field(description="seeds whose trial did not fail")

    @property
    def verdict(self) -> Verdict:
        """Void where it does not even pass with all of its layers, or where no trial could be judged."""
        if not self.passes or self.counts.trials == self.counts.void:
            return Verdict.VOID
        enough = self.counts.failed >= ROW_AT_LEAST_FAILED * self.counts.trials - 1e-9
        return Verdict.PASSED if enough else Verdict.FAILED


def row_of(
    scenario: str, without: list[str], trials: Sequence[TrialResult], complete: Sequence[TrialResult]
) -> AblationRow:
    """A row from the trials without the layers and those with all of them."""
    failing = [
        reason.about
        for trial in trials
        if trial.verdict is Verdict.FAILED
        for reason in trial.reasons
        if reason.verdict is Verdict.FAILED
    ]
    return AblationRow(
        scenario=scenario,
        without=without,
        counts=count(trials),
        complete=count(complete),
        passes=scenario_verdict(complete) is Verdict.PASSED,
        fails_on=list(dict.fromkeys(failing)),
        not_failed=[trial.seed for trial in trials if trial.verdict is not Verdict.FAILED],
    )


class Ablation(Strict):
    """The whole table. `undecided` are defended scenarios that name no decisive layers."""

    schema_: int = Field(default=ABLATION_SCHEMA, alias="schema")
    mlchaos: str
    target: str
    rows: list[AblationRow]
    undecided: list[str] = []
    not_run: list[NotRun] = []

    @property
    def failed_share(self) -> float | None:
        """The share of trials without decisive layers that failed, None without any."""
        trials = sum(row.counts.trials for row in self.rows)
        return sum(row.counts.failed for row in self.rows) / trials if trials else None

    @property
    def verdict(self) -> Verdict:
        """Passed when nearly every trial failed; void where something could not be told."""
        share = self.failed_share
        verdicts = [row.verdict for row in self.rows]
        if Verdict.FAILED in verdicts:
            return Verdict.FAILED
        if share is None or Verdict.VOID in verdicts or self.undecided:
            return Verdict.VOID
        return Verdict.PASSED if share >= AT_LEAST_FAILED - 1e-9 else Verdict.FAILED
