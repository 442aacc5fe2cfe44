"""Which model versions are defective, by their lineage and by what a fault put in service."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from chaos.domain.change import Change, Configure, Promote, Push, RunImage, SetAlias
from chaos.domain.event import Alias, Applied, Partition, PartitionRef, Planned, Snapshot, Version, Views
from chaos.scoring.arms import ArmView, FaultSpan, touched

BUILD = "build"
"""The setting by which a component is rolled out to another build."""


def defective_from(view: ArmView) -> dict[int, float]:
    """Versions to the day from which a view answered by one of them is defective.

    A version is, from its first view on, when at its training it lacked a partition then due, or held one
    whose content is not what was written at the source (rows of sources that were left out apart), or when
    the component that made it was then under a configuration of the fault's; and from a fault's injection on
    when the fault put it in service. Versions without a recorded lineage were there before the scenario, and
    are clean.
    """
    written, changed = written_partitions(view), _configured(view)
    found = {
        version.version: -math.inf
        for version in view.journal.of(Version)
        if lacked_days(version) or altered_days(version, written) or _made_under(version, changed)
    }
    for version, day in _put_in_service(view):
        found[version] = min(day, found.get(version, math.inf))
    return found


def why_defective(view: ArmView, version: int) -> str:
    """What is wrong with a version, in a few words; empty for a clean one."""
    written = written_partitions(view)
    for one in view.journal.of(Version):
        if one.version != version:
            continue
        if lacks := lacked_days(one):
            return f"trained without the partition{'s' if len(lacks) > 1 else ''} of day {_list(lacks)}"
        if altered := altered_days(one, written):
            return f"trained on altered data of day {_list(altered)}"
        if _made_under(one, _configured(view)):
            return "made under the fault's configuration"
    if any(number == version for number, _ in _put_in_service(view)):
        return "put in service by the fault"
    return ""


def defective_builds(view: ArmView) -> dict[str, tuple[float, float]]:
    """Builds that a fault rolled out, with the first and last day on which a view of theirs is defective.

    What an image that a fault put in a component's place answers as is seen in its views: a build that
    answered none before.
    """
    found: dict[str, tuple[float, float]] = {}
    for change, day, span in _made(view):
        if isinstance(change, Configure) and change.key == BUILD:
            builds = {str(change.value)}
        elif isinstance(change, RunImage):
            builds = _new_builds(view, change.component, day)
        else:
            continue
        for build in builds:
            first, last = found.get(build, (math.inf, -math.inf))
            found[build] = min(first, day), max(last, span.end)
    return found


def _new_builds(view: ArmView, component: str, since_day: float) -> set[str]:
    tallies = view.journal.of(Views)
    before = {row.build for views in tallies if views.end_day <= since_day for row in views.rows}
    return {row.build for views in tallies for row in views.rows if row.replica == component} - before


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


def lacked_days(version: Version | Snapshot) -> list[int]:
    """The partitions that were due when a version or a snapshot was made, and that it holds no row of."""
    held = {ref.partition_day for ref in version.partitions if ref.rows > 0}
    return [day for day in version.due if day not in held]


def written_partitions(view: ArmView) -> dict[int, list[Partition]]:
    """What was written at the source, by partition day."""
    written: dict[int, list[Partition]] = {}
    for partition in view.journal.of(Partition):
        if partition.state == "written" and partition.sha256:
            written.setdefault(partition.partition_day, []).append(partition)
    return written


def altered_sources(ref: PartitionRef | Partition, written: Iterable[Partition]) -> list[str] | None:
    """The sources whose rows are not what was written, of those that were used; empty where all are.

    None where the whole differs and there are no fingerprints by source to tell which. A partition of which
    nothing was written in this arm was there before, and is clean.
    """
    known = list(written)
    if not ref.sha256 or not known or any(ref.sha256 == one.sha256 for one in known):
        return []
    origin = known[-1].sources
    if not origin or not ref.sources:
        return None
    out = {str(source) for source in ref.left_out} if isinstance(ref, PartitionRef) else set[str]()
    used = sorted((set(origin) | set(ref.sources)) - out)
    return [source for source in used if ref.sources.get(source) != origin.get(source)]


def altered_days(version: Version | Snapshot, written: Mapping[int, Sequence[Partition]]) -> list[int]:
    """The partitions of a version or a snapshot whose content is not what was written at the source."""
    return [
        ref.partition_day
        for ref in version.partitions
        if altered_sources(ref, written.get(ref.partition_day, ())) != []
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
