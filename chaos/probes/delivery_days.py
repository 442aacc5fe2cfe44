"""How long the newest partition of a data link was on its way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import data_link
from chaos.contracts import Readable
from chaos.domain.event import Partition
from chaos.domain.target import DataLink, TargetSpec


@dataclass(frozen=True)
class DeliveryDays:
    """Days from the moment the newest delivered partition was written to the moment it was taken in."""

    name: ClassVar[str] = "delivery_days"
    link: str

    def refuse(self, spec: TargetSpec) -> None:
        """Only a data link has partitions."""
        data_link(spec, self.link)

    def read(self, target: Readable) -> float | None:
        """Calendar days; None before a partition that was written in this run has been delivered."""
        link = target.spec.links.get(self.link)
        if not isinstance(link, DataLink):
            return None
        written = {
            one.partition_day: one.day
            for one in target.seen(Partition)
            if one.state == "written" and one.component in link.from_
        }
        took = {
            one.partition_day: one.day - written[one.partition_day]
            for one in target.seen(Partition)
            if one.state == "delivered" and one.component == link.to and one.partition_day in written
        }
        return took[max(took)] if took else None
