"""How many of the views got no answer, or one for want of a better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.contracts import Readable
from chaos.domain.durations import Days
from chaos.domain.event import Views


@dataclass(frozen=True)
class UnsoundViews:
    """Views with an error or a fallback's answer, as a share of all of the last `over` days."""

    name: ClassVar[str] = "unsound_views"
    over: Days = 0.25

    def read(self, target: Readable) -> float | None:
        """A share; None where there was no view."""
        since = target.day() - self.over
        total = found = 0
        for views in reversed(target.seen(Views)):
            if views.end_day <= since:
                break
            total += sum(row.n for row in views.rows)
            found += sum(row.errors + row.fallback for row in views.rows)
        return None if total == 0 else found / total
