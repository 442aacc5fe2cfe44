"""How many page views there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.contracts import Readable
from chaos.domain.durations import Span
from chaos.probes.recent import recent_views, views_a_day


@dataclass(frozen=True)
class ViewsPerDay:
    """Page views a day, over the last `over` days."""

    name: ClassVar[str] = "views_per_day"
    over: Span = 0.25

    def read(self, target: Readable) -> float | None:
        """Views a day; None where the shop has reported nothing at all."""
        recent = list(recent_views(target, self.over))
        return views_a_day(recent) if recent else None
