"""Faults and holes that would set the same thing at one time: neither could be undone for itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chaos.capabilities import Described, MeaninglessChange
from chaos.catalogue import Catalogue
from chaos.domain.change import SetLayer
from chaos.domain.places import places_of
from chaos.domain.plan import PlannedFault
from chaos.domain.scenario import Hole
from chaos.domain.target import TargetSpec
from chaos.runner.check import listed

SAME_DAYS = 1e-9
"""A day and a length have no exact sum: 1.1 and 2.2 come to a little more than 3.3."""


@dataclass(frozen=True)
class Claim:
    """What a fault or a hole sets, and for how long; `about` names it in words.

    A hole of the whole run begins before every day: nothing is made and undone, the layer starts with it.
    """

    about: str
    places: frozenset[str]
    from_day: float
    until_day: float

    def meets(self, later: Claim) -> bool:
        """Whether both are open at one time; of two that touch, the one made first must end first."""
        return self.from_day <= later.until_day and later.from_day < self.until_day - SAME_DAYS

    def fights(self, later: Claim) -> frozenset[str]:
        """What both set at one time. What is set within a hole of the whole run is put back to it."""
        if math.isinf(self.from_day) is not math.isinf(later.from_day) or not self.meets(later):
            return frozenset()
        return self.places & later.places


def claim_of_fault(fault: PlannedFault, catalogue: Catalogue, spec: TargetSpec) -> Claim:
    """What a fault sets from its injection to its undo."""
    made = catalogue.faults.make(fault.fault, fault.parameters)
    try:
        places = frozenset[str]().union(*map(places_of, listed(made, Described(spec))))
    except MeaninglessChange:
        places = frozenset()  # told when it was planned
    return Claim(fault.key, places, fault.inject_day, fault.undo_day)


def claim_of_hole(hole: Hole) -> Claim:
    """What a hole sets while it is open."""
    keys = [*hole.set_, *(["mode"] if hole.mode is not None else [])]
    changes = [SetLayer(layer=hole.layer, key=key, value="") for key in keys]
    span = "" if hole.from_ is None else f" from day {hole.from_:g}"
    return Claim(
        f"the hole in {hole.layer}{span}",
        frozenset[str]().union(*map(places_of, changes)),
        -math.inf if hole.from_ is None else hole.from_,
        math.inf if hole.until is None else hole.until,
    )


def quarrels(claims: Sequence[Claim]) -> Iterator[tuple[int, int, str]]:
    """Each two that quarrel, by index, and what about; of one day, what is made first comes first."""
    for index, later in enumerate(claims):
        for before, first in enumerate(claims[:index]):
            if both := first.fights(later):
                says = f"{first.about} and {later.about} would both set the {min(both)} at one time: let one "
                yield before, index, says + "end before the other begins"
