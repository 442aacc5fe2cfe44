"""How many of the views one model version answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.contracts import Readable
from chaos.domain.durations import Days
from chaos.domain.event import Views


@dataclass(frozen=True)
class VersionShare:
    """Views answered by `version`, as a share of all of the last `over` days."""

    name: ClassVar[str] = "version_share"
    version: int
    over: Days = 0.25

    def read(self, target: Readable) -> float | None:
        """A share; None where there was no view."""
        since = target.day() - self.over
        total = found = 0
        for views in reversed(target.seen(Views)):
            if views.end_day <= since:
                break
            total += sum(row.n for row in views.rows)
            found += sum(row.n for row in views.rows if row.version == self.version)
        return None if total == 0 else found / total
