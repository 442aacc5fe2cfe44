"""The price of the layers: what scenarios in which nothing is wrong show of alarms, blocks and age."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chaos.domain.scenario import Harm, Kind
from chaos.domain.verdict import TrialResult
from chaos.reports.pieces import false_alarms_of, mean, suffered


@dataclass(frozen=True)
class Price:
    """A quiet scenario: means over the seeds that were measured, None where none was."""

    scenario: str
    seeds: int
    false_alarms: float | None
    false_block_days: float | None
    stale_days: float | None


def prices(trials: Sequence[TrialResult]) -> list[Price]:
    """Of each quiet scenario, in the order in which they were run."""
    quiet = [trial for trial in trials if trial.kind is Kind.QUIET]
    by_name = {
        name: [trial for trial in quiet if trial.scenario == name]
        for name in dict.fromkeys(trial.scenario for trial in quiet)
    }
    return [
        Price(
            name,
            len(found),
            mean(map(false_alarms_of, found)),
            mean(suffered(trial, Harm.FALSE_BLOCK_DAYS) for trial in found),
            mean(suffered(trial, Harm.STALE_DAYS) for trial in found),
        )
        for name, found in by_name.items()
    ]
