"""How many partitions are overdue at the sink of a data link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import data_link
from chaos.contracts import Readable
from chaos.domain.durations import Days
from chaos.domain.target import DataLink, TargetSpec


@dataclass(frozen=True)
class PartitionsOverdue:
    """Partitions from day 0 on that were due and are not at the sink.

    Events of day d are due at d + 1 + the link's `due`; `grace_days` more are allowed for the reading itself.
    """

    name: ClassVar[str] = "partitions_overdue"
    link: str
    grace_days: Days = 0.05

    def refuse(self, spec: TargetSpec) -> None:
        """Only a data link has partitions."""
        data_link(spec, self.link)

    def read(self, target: Readable) -> float | None:
        """A count; None where the sink cannot be listed."""
        link = target.spec.links.get(self.link)
        delivered = target.delivered(self.link)
        if delivered is None or not isinstance(link, DataLink):
            return None
        newest_due = int((target.day() - link.due - self.grace_days) // 1) - 1
        return float(sum(1 for day in range(newest_due + 1) if day not in delivered))
