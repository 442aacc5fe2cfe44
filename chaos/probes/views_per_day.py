"""How many page views there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.contracts import Readable
from chaos.domain.durations import Span
from chaos.domain.event import Views


@dataclass(frozen=True)
class ViewsPerDay:
    """Page views a day, over the last `over` days."""

    name: ClassVar[str] = "views_per_day"
    over: Span = 0.25

    def read(self, target: Readable) -> float | None:
        """Views a day; None where the shop has reported nothing at all."""
        since = target.day() - self.over
        recent = [views for views in target.seen(Views) if views.end_day > since]
        if not recent:
            return None
        span = sum(views.end_day - views.start_day for views in recent)
        return sum(row.n for views in recent for row in views.rows) / max(span, 1e-9)
