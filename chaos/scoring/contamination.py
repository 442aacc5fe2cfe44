"""What a data fault contaminated in one arm, from partitions to recommendations, by the journal alone."""

from __future__ import annotations

import math

from chaos.domain.event import Partition, Snapshot, Version, Views
from chaos.domain.verdict import Contamination
from chaos.scoring.arms import ArmView
from chaos.scoring.lineage import altered_days, altered_sources, written_partitions

PURGE_DAYS = 0.25
"""A purge has taken effect by then: aliases are looked up each 0.05 day, views told each 1/24 day."""


def contamination_of(view: ArmView) -> Contamination | None:
    """Partitions that came altered, what was made of them, and whether a purge left any of it in service.

    None where the journal tells nothing of partitions, or the arm was cut short.
    """
    written = written_partitions(view)
    if not written or view.cut_short:
        return None
    partitions: dict[int, list[str]] = {}
    purged_day, purged = math.inf, set[int]()
    for partition in view.journal.of(Partition):
        day = partition.partition_day
        if partition.state == "purged":
            purged.add(day)
            purged_day = partition.day
        elif partition.state in ("delivered", "quarantined"):
            sources = altered_sources(partition, written.get(day, ()))
            if sources != []:
                partitions[day] = sources or []
    snapshots = [one.snapshot for one in view.journal.of(Snapshot) if altered_days(one, written)]
    versions = {one.version for one in view.journal.of(Version) if altered_days(one, written)}
    answered, in_service = 0, set[int]()
    for views in view.journal.of(Views):
        for row in views.rows:
            if row.version in versions:
                answered += row.n - row.errors
                if views.start_day >= purged_day + PURGE_DAYS:
                    in_service.add(row.version)
    return Contamination(
        partitions=partitions,
        snapshots=snapshots,
        versions=sorted(versions),
        views=answered,
        purged=sorted(purged),
        purged_day=None if math.isinf(purged_day) else purged_day,
        left_in_service=sorted(in_service),
    )
