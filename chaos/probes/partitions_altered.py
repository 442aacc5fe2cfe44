"""How many partitions of a data link are not what was written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import data_link
from chaos.contracts import Readable
from chaos.domain.event import Partition
from chaos.domain.target import DataLink, TargetSpec


@dataclass(frozen=True)
class PartitionsAltered:
    """Partitions that last came to the sink, be it to be put aside, with other bytes than were written."""

    name: ClassVar[str] = "partitions_altered"
    link: str

    def refuse(self, spec: TargetSpec) -> None:
        """Only a data link has partitions."""
        data_link(spec, self.link)

    def read(self, target: Readable) -> float | None:
        """A count; None before the source has written anything."""
        link = target.spec.links.get(self.link)
        if not isinstance(link, DataLink):
            return None
        written: dict[int, str] = {}
        arrived: dict[int, str] = {}
        for partition in target.seen(Partition):
            if partition.state == "written" and partition.component in link.from_:
                written[partition.partition_day] = partition.sha256
            elif partition.state in ("delivered", "quarantined") and partition.component == link.to:
                arrived[partition.partition_day] = partition.sha256
        if not written:
            return None
        return float(sum(digest != written.get(day, digest) for day, digest in arrived.items()))
