"""How many page views were answered with default feature values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.contracts import Readable
from chaos.domain.durations import Days
from chaos.domain.event import Views


@dataclass(frozen=True)
class DefaultedShare:
    """Views answered with defaults in the place of features, as a share of all of the last `over` days."""

    name: ClassVar[str] = "defaulted_share"
    over: Days = 0.25

    def read(self, target: Readable) -> float | None:
        """A share; None where there was no view."""
        since = target.day() - self.over
        total = defaulted = 0
        for views in reversed(target.seen(Views)):
            if views.end_day <= since:
                break
            total += sum(row.n for row in views.rows)
            defaulted += sum(row.defaulted for row in views.rows)
        return None if total == 0 else defaulted / total
