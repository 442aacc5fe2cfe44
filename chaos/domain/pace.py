"""How many seconds a simulated day takes on a machine of measured speed: one rule for all arms of a run."""

from __future__ import annotations

import math
from dataclasses import dataclass

from chaos.domain.plan import TrialPlan

BUSY = 0.55
"""The share of the processors' time that a day's work may take: the rest is for bursts and for others. At
0.59 one of three runs of late-partition failed on false alarms.
"""
STEPS_A_SECOND = 10
SLOWEST = 4.0
"""Days are made longer by this factor at most: a machine slower than that is told to be too busy, by void."""


@dataclass(frozen=True)
class Pace:
    """Seconds a day, and why, where they are not what the target asks for."""

    day_seconds: float
    says: str = ""


def too_long(ms: float, day_seconds: float) -> str:
    """What is wrong with an operational constant of so many milliseconds; empty where nothing is."""
    quarter_ms = 250 * day_seconds
    if ms <= quarter_ms:
        return ""
    return f"{ms:g}ms are more than a quarter of a day, {quarter_ms:g}ms at {day_seconds:g} s a day"


def pace_for(day_seconds: float, day_work: float, pieces_per_second: float) -> Pace:
    """The pace of a target that asks for `day_seconds` and whose day costs `day_work` pieces of work.

    `pieces_per_second` is what all processors that it can use do together now (see `drivers.local.gauge`).
    The day is as long as leaves them `BUSY` at most, in steps of a tenth of a second; never shorter than
    asked for, and at most `SLOWEST` times as long.
    """
    needed = day_work / (BUSY * pieces_per_second)
    if needed <= day_seconds:
        return Pace(day_seconds)
    slower = min(SLOWEST * day_seconds, math.ceil(needed * STEPS_A_SECOND - 1e-9) / STEPS_A_SECOND)
    slower = max(slower, day_seconds)
    able, costs = round(pieces_per_second / 1000), round(day_work / 1000)
    says = (
        f"a day takes {slower:g} s, not {day_seconds:g}: this machine does {able} thousand pieces of work a "
        f"second now, and a day needs {costs} thousand"
    )
    return Pace(slower, says)


def at_pace(trial: TrialPlan, pace: Pace) -> TrialPlan:
    """A trial with all its arms at a pace; one whose scenario is about load keeps its own."""
    if trial.scenario.day_seconds is not None:
        return trial
    changed = {"day_seconds": pace.day_seconds, "slowed": pace.says}
    return trial.model_copy(update={"arms": [arm.model_copy(update=changed) for arm in trial.arms]})
