"""Faults of one scenario that would set the same thing at one time: neither could be undone for itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chaos.capabilities import Described, MeaninglessChange
from chaos.catalogue import Catalogue
from chaos.domain.places import places_of
from chaos.domain.plan import PlannedFault
from chaos.domain.target import TargetSpec


def quarrels(
    faults: Sequence[PlannedFault | None], catalogue: Catalogue, spec: TargetSpec
) -> Iterator[tuple[int, str]]:
    """The later one of each two that quarrel, by index, and what about; None stands for one not planned."""
    places = [_places(fault, catalogue, spec) for fault in faults]
    for index, fault in enumerate(faults):
        for other, theirs in zip(faults[:index], places, strict=False):
            both = places[index] & theirs
            if fault is None or other is None or not both:
                continue
            if fault.inject_day < other.undo_day and other.inject_day < fault.undo_day:
                yield (
                    index,
                    f"{other.key} and {fault.key} would both set the {min(both)} at one time: let one end "
                    "before the other begins",
                )


def _places(fault: PlannedFault | None, catalogue: Catalogue, spec: TargetSpec) -> frozenset[str]:
    if fault is None:
        return frozenset()
    made = catalogue.faults.make(fault.fault, fault.parameters)
    try:
        return frozenset[str]().union(*map(places_of, made.changes(Described(spec))))
    except MeaninglessChange:
        return frozenset()  # told when it was planned
