"""Catching up starves what is fresh: a long history is loaded through the pipe that today's data uses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Data, MeaninglessChange, data_link
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import DataLink, TargetSpec

MANY = 20
"""So many partitions that wait at once are a backlog: nowhere does a healthy day bring more than a few."""


@dataclass(frozen=True)
class Backlog:
    """Hand on `partitions` of long past days with each partition of one data link, ahead of it.

    They are made of a `share` of its rows; `column` holds the time of a row, in days. `sample` is the metric
    of the link's reader that counts what waits. Undone, no more of them come; those that came stay.

    Source: McGlohon, on pipelines that must handle their backlogs; Papasian & Underwood, OpML 2020.
    """

    name: ClassVar[str] = "backlog"
    needs: ClassVar[tuple[type[Capability], ...]] = (Data,)
    link: str
    partitions: int
    share: float = 0.1
    column: str = "day"
    sample: str = "features_waiting_partitions"

    def refuse(self, spec: TargetSpec) -> None:
        """The link is one of data, and there are so many that they can be told from a healthy day's."""
        data_link(spec, self.link)
        if self.partitions < MANY:
            raise MeaninglessChange("partitions", f"fewer than {MANY} partitions are no backlog")

    def changes(self, target: Usable) -> Iterator[Change]:
        """One `backfill` toxic."""
        yield target.use(Data).toxic(
            self.link, "backfill", partitions=self.partitions, column=self.column, share=self.share
        )

    def effect(self, spec: TargetSpec) -> EffectCheck | None:
        """Many partitions wait at the reader."""
        link = spec.links.get(self.link)
        reader = link.to if isinstance(link, DataLink) else ""
        return EffectCheck("metric", {"component": reader, "sample": self.sample}, at_least=MANY)
