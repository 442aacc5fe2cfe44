"""The price of the layers: what scenarios in which nothing is wrong show of alarms, blocks and age."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chaos.domain.scenario import Arm, Harm, Kind
from chaos.domain.verdict import TrialResult


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
            _mean(_alarms(trial) for trial in found),
            _mean(_harm(trial, Harm.FALSE_BLOCK_DAYS) for trial in found),
            _mean(_harm(trial, Harm.STALE_DAYS) for trial in found),
        )
        for name, found in by_name.items()
    ]


def _alarms(trial: TrialResult) -> float | None:
    counts = [layer.false_alarms for layer in trial.layers if layer.false_alarms is not None]
    return float(sum(counts)) if counts else None


def _harm(trial: TrialResult, kind: Harm) -> float | None:
    return trial.harm.by_arm.get(Arm.DEFENDED, {}).get(kind)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None
