"""How much of a harm was kept away, and whether the harm was large enough to tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from chaos.domain.scenario import QUALITY_NOISE, Arm, Harm

QUALITY_EVIDENCE = 35.0
"""%-days over a week: a difference in quality below this is no evidence on one seed."""
STALE_FLOOR = 0.25
UNDETECTED_FLOOR = 0.25
COUNT_SIGMAS = 3.0
NOISY_COUNTS = (Harm.ERROR_VIEWS, Harm.SLOW_VIEWS, Harm.ABANDONED_VIEWS)

HarmTable = Mapping[Arm, Mapping[Harm, float | None]]


@dataclass(frozen=True)
class Contained:
    """The ratio with its interval (two standard deviations; a point if exact), or why there is none."""

    ratio: float | None
    low: float
    high: float
    says: str
    no_harm: bool = False


def contain(harm: HarmTable, of: Harm) -> Contained:
    """1 − (defended − control) ÷ (undefended − bare), of one kind."""
    values = {arm: harm.get(arm, {}).get(of) for arm in Arm}
    missing = [arm.value for arm in Arm if values[arm] is None]
    if missing:
        arms = " and ".join(missing)
        says = f"{of.value} was not measured in the {arms} arm{'s' if len(missing) > 1 else ''}"
        return Contained(None, math.nan, math.nan, says)
    defended, control, undefended, bare = (values[arm] or 0.0 for arm in Arm)
    suffered = undefended - bare
    if says := harmless(harm, of):
        return Contained(None, math.nan, math.nan, says, no_harm=True)
    ratio = 1 - (defended - control) / suffered
    spread = 0.0
    if of is Harm.QUALITY_PCT_DAYS:
        spread = QUALITY_NOISE * math.hypot(1.0, 1 - ratio) / suffered
    says = (
        f"{of.value}: {number(defended)} defended, {number(control)} control, {number(undefended)} "
        f"undefended, {number(bare)} bare"
    )
    return Contained(ratio, ratio - spread, ratio + spread, says)


def harmless(harm: HarmTable, of: Harm) -> str:
    """Why the fault did no harm of a kind where no layer was on; empty where it did."""
    undefended, bare = (harm.get(arm, {}).get(of) for arm in (Arm.UNDEFENDED, Arm.BARE))
    if undefended is None or bare is None:
        return f"{of.value} was not measured without layers"
    if undefended - bare > floor_of(of, undefended, bare):
        return ""
    return (
        f"without any layer there was no {of.value} worth the name: {number(undefended)} with the fault, "
        f"{number(bare)} without it"
    )


def of_the_machine(harm: HarmTable, of: Harm, undisturbed: float | None) -> str:
    """Why harm without layers may be the machine's and not the fault's; empty where enough is left.

    `undisturbed` is the part of it that was done while the machine did not disturb the undefended arm; None
    where all of it was.
    """
    undefended, bare = (harm.get(arm, {}).get(of) for arm in (Arm.UNDEFENDED, Arm.BARE))
    if undisturbed is None or undefended is None or bare is None:
        return ""
    if undisturbed - bare > floor_of(of, undisturbed, bare):
        return ""
    return (
        f"without any layer there were {number(undefended)} {of.value}, but only {number(undisturbed)} "
        f"of them while the machine did not disturb the undefended arm, and {number(bare)} without the fault"
    )


def floor_of(of: Harm, undefended: float, bare: float) -> float:
    """A difference up to this is none: noise of counting, of clocks, or of one seed's quality."""
    if of is Harm.QUALITY_PCT_DAYS:
        return QUALITY_EVIDENCE
    if of is Harm.STALE_DAYS:
        return STALE_FLOOR
    if of is Harm.UNDETECTED_DAYS:
        return UNDETECTED_FLOOR
    if of in NOISY_COUNTS:
        return COUNT_SIGMAS * math.sqrt(max(0.0, undefended) + max(0.0, bare))
    return 0.0


def excess(harm: HarmTable, of: Harm) -> float | None:
    """What the defended arm suffered beyond its twin without the fault; None where either is missing.

    Kinds that mean nothing without a fault, or are measured against the twin already, count as they are.
    """
    defended = harm.get(Arm.DEFENDED, {}).get(of)
    if of in (Harm.QUALITY_PCT_DAYS, Harm.UNDETECTED_DAYS, Harm.FALSE_BLOCK_DAYS):
        return defended
    control = harm.get(Arm.CONTROL, {}).get(of)
    if defended is None or control is None:
        return None
    return max(0.0, defended - control)


def number(value: float) -> str:
    """A number for people: whole where it is, else with one decimal."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
