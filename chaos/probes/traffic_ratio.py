"""Whether more page views come than before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.contracts import Readable
from chaos.domain.durations import Span
from chaos.domain.event import Views
from chaos.probes.recent import recent_views, views_a_day


@dataclass(frozen=True)
class TrafficRatio:
    """Page views a day in the last `over` days ÷ those in the `before` days that came before them."""

    name: ClassVar[str] = "traffic_ratio"
    over: Span = 0.25
    before: Span = 2.0

    def read(self, target: Readable) -> float | None:
        """A ratio; None where either span has no view."""
        turn = target.day() - self.over
        late: list[Views] = []
        early: list[Views] = []
        for views in recent_views(target, self.over + self.before):
            middle = (views.start_day + views.end_day) / 2
            if middle > turn - self.before:
                (late if middle > turn else early).append(views)
        now, before = views_a_day(late), views_a_day(early)
        return now / before if now and before else None
