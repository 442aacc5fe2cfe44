"""Which model versions are defective, by their lineage and by what a fault put in service."""

from __future__ import annotations

import math

from chaos.domain.change import SetAlias
from chaos.domain.event import Alias, Applied, Partition, Planned, Version
from chaos.scoring.arms import ArmView


def defective_from(view: ArmView) -> dict[int, float]:
    """Versions to the day from which a view answered by one of them is defective.

    A version is, from its first view on, when at its training it lacked a partition then due, or held one
    whose content is not what was written at the source; and from a fault's injection on when the fault put it
    in service. Versions without a recorded lineage, which were there before the scenario began, are clean.
    """
    written = _written(view)
    found = {
        version.version: -math.inf
        for version in view.journal.of(Version)
        if _lacks(version) or _altered(version, written)
    }
    for version, day in _put_in_service(view):
        found[version] = min(day, found.get(version, math.inf))
    return found


def why_defective(view: ArmView, version: int) -> str:
    """What is wrong with a version, in a few words; empty for a clean one."""
    written = _written(view)
    for one in view.journal.of(Version):
        if one.version != version:
            continue
        if lacks := _lacks(one):
            return f"trained without the partition{'s' if len(lacks) > 1 else ''} of day {_list(lacks)}"
        if altered := _altered(one, written):
            return f"trained on altered data of day {_list(altered)}"
    if any(number == version for number, _ in _put_in_service(view)):
        return "put in service by the fault"
    return ""


def _list(days: list[int]) -> str:
    return ", ".join(str(day) for day in days)


def _lacks(version: Version) -> list[int]:
    held = {ref.partition_day for ref in version.partitions if ref.rows > 0}
    return [day for day in version.due if day not in held]


def _written(view: ArmView) -> dict[int, list[str]]:
    written: dict[int, list[str]] = {}
    for partition in view.journal.of(Partition):
        if partition.state == "written" and partition.sha256:
            written.setdefault(partition.partition_day, []).append(partition.sha256)
    return written


def _altered(version: Version, written: dict[int, list[str]]) -> list[int]:
    return [
        ref.partition_day
        for ref in version.partitions
        if ref.sha256 and ref.sha256 not in written.get(ref.partition_day, [ref.sha256])
    ]


def _put_in_service(view: ArmView) -> list[tuple[int, float]]:
    applied = {event.id: event.day for event in view.journal.of(Applied)}
    keys = {span.key for span in view.spans}
    found: list[tuple[int, float]] = []
    for planned in view.journal.of(Planned):
        change = planned.change
        if planned.about not in keys or not isinstance(change, SetAlias) or change.version is None:
            continue
        day = applied.get(planned.id)
        if day is None or _in_service(view, change.alias, day) == change.version:
            continue
        found.append((change.version, day))
    return found


def _in_service(view: ArmView, alias: str, day: float) -> int | None:
    flips = [flip.version for flip in view.journal.of(Alias) if flip.alias == alias and flip.day < day]
    return flips[-1] if flips else None
