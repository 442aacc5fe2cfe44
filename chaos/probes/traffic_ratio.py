"""Whether more page views come than before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.contracts import Readable
from chaos.domain.durations import Span
from chaos.domain.event import Views


@dataclass(frozen=True)
class TrafficRatio:
    """Page views a day in the last `over` days ÷ those in the `before` days that came before them."""

    name: ClassVar[str] = "traffic_ratio"
    over: Span = 0.25
    before: Span = 2.0

    def read(self, target: Readable) -> float | None:
        """A ratio; None where either span has no view."""
        turn = target.day() - self.over
        late, early = _Rate(), _Rate()
        for views in reversed(target.seen(Views)):
            middle = (views.start_day + views.end_day) / 2
            if middle <= turn - self.before:
                break
            (late if middle > turn else early).take(views)
        return None if not early.views or not late.views else late.a_day / early.a_day


@dataclass
class _Rate:
    views: int = 0
    days: float = 0.0

    def take(self, views: Views) -> None:
        self.views += sum(row.n for row in views.rows)
        self.days += views.end_day - views.start_day

    @property
    def a_day(self) -> float:
        return self.views / max(self.days, 1e-9)
