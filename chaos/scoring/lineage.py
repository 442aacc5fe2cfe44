"""Which model versions are defective, by their lineage and by what a fault put in service."""

from __future__ import annotations

import math

from chaos.domain.change import Change, Configure, Promote, Push, SetAlias
from chaos.domain.event import Alias, Applied, Partition, Planned, Version
from chaos.scoring.arms import ArmView, FaultSpan, touched

BUILD = "build"
"""The setting by which a component is rolled out to another build."""


def defective_from(view: ArmView) -> dict[int, float]:
    """Versions to the day from which a view answered by one of them is defective.

    A version is, from its first view on, when at its training it lacked a partition then due, or held one
    whose content is not what was written at the source, or when the component that made it was then under a
    configuration of the fault's; and from a fault's injection on when the fault put it in service. Versions
    without a recorded lineage, which were there before the scenario began, are clean.
    """
    written, changed = _written(view), _configured(view)
    found = {
        version.version: -math.inf
        for version in view.journal.of(Version)
        if _lacks(version) or _altered(version, written) or _made_under(version, changed)
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
        if _made_under(one, _configured(view)):
            return "made under the fault's configuration"
    if any(number == version for number, _ in _put_in_service(view)):
        return "put in service by the fault"
    return ""


def defective_builds(view: ArmView) -> dict[str, tuple[float, float]]:
    """Builds that a fault rolled out, with the first and last day on which a view of theirs is defective."""
    found: dict[str, tuple[float, float]] = {}
    for change, day, span in _made(view):
        if isinstance(change, Configure) and change.key == BUILD:
            first, last = found.get(str(change.value), (math.inf, -math.inf))
            found[str(change.value)] = min(first, day), max(last, span.end)
    return found


def _made(view: ArmView) -> list[tuple[Change, float, FaultSpan]]:
    """The changes of faults that were applied, with the day they began and their fault's span."""
    applied = {event.id for event in view.journal.of(Applied)}
    spans = {span.key: span for span in view.spans}
    return [
        (planned.change, planned.day, spans[planned.about])
        for planned in view.journal.of(Planned)
        if planned.about in spans and planned.id in applied
    ]


def _configured(view: ArmView) -> list[tuple[str, float, float]]:
    """Components that a fault configured, from its injection to its undo."""
    return [
        (component, day, span.end)
        for change, day, span in _made(view)
        if isinstance(change, Configure | Push)
        for component in touched(change)
    ]


def _made_under(version: Version, changed: list[tuple[str, float, float]]) -> bool:
    return any(
        component == version.component and start <= version.day <= end for component, start, end in changed
    )


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
    # What the door flips it logs itself, before it answers: what was in service before it was asked counts.
    found: list[tuple[int, float]] = []
    for change, day, _ in _made(view):
        if not isinstance(change, SetAlias | Promote) or change.version is None:
            continue
        if _in_service(view, change.alias, day) != change.version:
            found.append((change.version, day))
    return found


def _in_service(view: ArmView, alias: str, day: float) -> int | None:
    flips = [flip.version for flip in view.journal.of(Alias) if flip.alias == alias and flip.day < day]
    return flips[-1] if flips else None
