"""Faults and holes of which one could not be undone for itself: both set the same, or one ends or stops what
remembers the other's setting.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chaos.capabilities import Described, MeaninglessChange
from chaos.catalogue import Catalogue
from chaos.domain.change import SetLayer
from chaos.domain.places import Grip, grip_of
from chaos.domain.plan import SAME_DAYS, PlannedFault, same_day
from chaos.domain.scenario import Hole
from chaos.domain.target import TargetSpec
from chaos.runner.check import listed


@dataclass(frozen=True)
class Claim:
    """What a fault or a hole has hold of, and for how long; `about` names it in words.

    A hole of the whole run begins before every day: nothing is made and undone, the layer starts with it.
    What waits `for_an_action` of the target may begin on any of its days.
    """

    about: str
    grip: Grip
    from_day: float
    until_day: float
    for_an_action: bool = False

    @property
    def whole_run(self) -> bool:
        """Whether it is there from the start, so that a component that starts anew has it too."""
        return math.isinf(self.from_day)

    def meets(self, later: Claim) -> bool:
        """Whether both are open at one time; of two that touch, the one made first must end first."""
        return self.from_day <= later.until_day and later.from_day < self.until_day - SAME_DAYS

    def fights(self, later: Claim) -> frozenset[str]:
        """What both set at one time. What is set within a hole of the whole run is put back to it."""
        if self.whole_run is not later.whole_run or not self.meets(later):
            return frozenset()
        return self.grip.places & later.grip.places

    def open_at(self, day: float, *, first: bool) -> bool:
        """Whether it is open when another is made or undone on a day; `first` of the two, it acts first."""
        if abs(day - self.from_day) <= SAME_DAYS:
            return first
        if abs(day - self.until_day) <= SAME_DAYS:
            return not first
        return self.from_day < day < self.until_day


def claim_of_fault(fault: PlannedFault, catalogue: Catalogue, spec: TargetSpec) -> Claim:
    """What a fault has hold of from its injection to its undo."""
    made = catalogue.faults.make(fault.fault, fault.parameters)
    try:
        grip = grip_of(listed(made, Described(spec)), spec.layers)
    except MeaninglessChange:
        grip = Grip(frozenset())  # told when it was planned
    return Claim(fault.key, grip, fault.inject_day, fault.undo_day, fault.when is not None)


def claim_of_hole(hole: Hole, spec: TargetSpec) -> Claim:
    """What a hole has hold of while it is open."""
    changes = [SetLayer(layer=hole.layer, key=key, value="") for key in hole.keys]
    span = "" if hole.from_ is None else f" from day {hole.from_:g}"
    return Claim(
        f"the hole in {hole.layer}{span}",
        grip_of(changes, spec.layers),
        -math.inf if hole.from_ is None else same_day(hole.from_),
        math.inf if hole.until is None else same_day(hole.until),
    )


def quarrels(claims: Sequence[Claim]) -> Iterator[tuple[int, int, str]]:
    """Each two that quarrel, by index, and what about."""
    for index, later in enumerate(claims):
        for before, first in enumerate(claims[:index]):
            if says := quarrel(first, later):
                yield before, index, f"{says}: let one end before the other begins"


def quarrel(first: Claim, later: Claim) -> str | None:
    """Why one of two could not be undone for itself; on one day, `first` is made first."""
    if both := first.fights(later):
        return f"{first.about} and {later.about} would both set the {min(both)} at one time"
    return _loss(first, later, first=True) or _loss(later, first, first=False)


def _loss(setting: Claim, other: Claim, *, first: bool) -> str | None:
    """How what one sets is lost by the other, or cannot be set or taken back; `first` as in `open_at`."""
    if setting.whole_run:
        return None
    if setting.for_an_action or other.for_an_action:
        at_risk = setting.grip.remembers & (other.grip.ends | other.grip.ends_after)
        if setting.for_an_action:
            at_risk |= setting.grip.remembers & other.grip.bars
        if at_risk and (setting.meets(other) if first else other.meets(setting)):
            return f"{other.about} may end or stop {min(at_risk)} while {setting.about} is set there"
    for day, ends in ((other.from_day, other.grip.ends), (other.until_day, other.grip.ends_after)):
        if (ended := setting.grip.remembers & ends) and setting.open_at(day, first=first):
            return f"{other.about} would end {min(ended)}, and with it what {setting.about} has set there"
    barred = setting.grip.remembers & other.grip.bars
    if barred and any(other.open_at(day, first=not first) for day in (setting.from_day, setting.until_day)):
        return f"{setting.about} would be set or taken back in {min(barred)} while {other.about} is open"
    return None
