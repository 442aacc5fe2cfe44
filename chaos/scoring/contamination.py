"""What a data fault contaminated in one arm, from partitions to recommendations, by the journal alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from chaos.domain.event import Partition, Snapshot, Source, Version, Views
from chaos.domain.verdict import Contamination
from chaos.scoring.arms import ArmView
from chaos.scoring.lineage import altered_days, altered_sources, lacked_days, written_partitions

CLEARED_DAYS = 0.25
"""A purge or a quarantine has taken effect by then: aliases are looked up each 0.05 day, views told each 1/24
day, and the day's cycle has built a new snapshot."""


def contamination_of(view: ArmView) -> Contamination | None:
    """Partitions that came altered or not in time, what was made of or without them, and what of the former
    serves once it was put aside.

    Put aside are days that were purged and sources that were left out by hand. What came altered later than
    that was not there to be put aside, and does not count against it. None where the journal tells nothing of
    partitions, or the arm was cut short.
    """
    written = written_partitions(view)
    if not written or view.cut_short:
        return None
    built, trained = view.journal.of(Snapshot), view.journal.of(Version)
    snapshots = {one.snapshot: days for one in built if (days := altered_days(one, written))}
    versions = {one.version: days for one in trained if (days := altered_days(one, written))}
    tainted = {*versions, *(one.version for one in trained if lacked_days(one))}
    purges = [one for one in view.journal.of(Partition) if one.state == "purged"]
    left_out = [one for one in view.journal.of(Source) if one.state == "left_out"]
    cleared_day = max((one.day for one in (*purges, *left_out)), default=math.inf)
    answered = _answered(view)
    return Contamination(
        partitions=dict(_altered(view, written)),
        absent=sorted({one.partition_day for one in view.journal.of(Partition) if one.state == "absent"}),
        snapshots=[one.snapshot for one in built if one.snapshot in snapshots or lacked_days(one)],
        versions=sorted(tainted),
        views=sum(n for _, version, n in answered if version in tainted),
        purged=sorted({one.partition_day for one in purges}),
        purged_day=max((one.day for one in purges), default=None),
        quarantined={one.source: one.from_day for one in left_out},
        quarantined_day=max((one.day for one in left_out), default=None),
        left_in_service=sorted(
            {
                version
                for start_day, version, _ in answered
                if start_day >= cleared_day + CLEARED_DAYS
                and min(versions.get(version, [math.inf])) < cleared_day
            }
        ),
        snapshots_left_in_service=[
            name
            for name in _serving_since(view, cleared_day + CLEARED_DAYS)
            if min(snapshots.get(name, [math.inf])) < cleared_day
        ],
    )


def _altered(view: ArmView, written: Mapping[int, Sequence[Partition]]) -> Iterator[tuple[int, list[str]]]:
    """Days that came altered, with the sources that differ; empty where there are no fingerprints."""
    for partition in view.journal.of(Partition):
        if partition.state in ("delivered", "quarantined"):
            sources = altered_sources(partition, written.get(partition.partition_day, ()))
            if sources != []:
                yield partition.partition_day, sources or []


def _answered(view: ArmView) -> list[tuple[float, int, int]]:
    """(start of the tally, version, views it answered)."""
    return [
        (views.start_day, row.version, row.n - row.errors)
        for views in view.journal.of(Views)
        for row in views.rows
    ]


def _serving_since(view: ArmView, day: float) -> list[str]:
    """Feature snapshots in service at `day` or later, none for a day that never comes: the newest then, and
    those that were built since.
    """
    if math.isinf(day):
        return []
    built = view.journal.of(Snapshot)
    before = [one.snapshot for one in built if one.day <= day]
    return [*before[-1:], *(one.snapshot for one in built if one.day > day)]
