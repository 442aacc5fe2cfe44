"""The share of page views that went well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.contracts import Readable
from chaos.domain.durations import Days
from chaos.domain.event import Views


@dataclass(frozen=True)
class GoodViews:
    """Views with neither an error nor a slow answer, as a share of all of the last `over` days."""

    name: ClassVar[str] = "good_views"
    over: Days = 0.25

    def read(self, target: Readable) -> float | None:
        """A share; None where there was no view."""
        since = target.day() - self.over
        total = bad = 0
        for views in reversed(target.seen(Views)):
            if views.end_day <= since:
                break
            total += sum(row.n for row in views.rows)
            bad += sum(row.errors + row.slow for row in views.rows)
        return None if total == 0 else 1 - bad / total
