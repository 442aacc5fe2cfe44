"""The share of page views that went well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.contracts import Readable
from chaos.domain.durations import Span
from chaos.probes.recent import share_of


@dataclass(frozen=True)
class GoodViews:
    """Views with neither an error nor a slow answer, as a share of all of the last `over` days."""

    name: ClassVar[str] = "good_views"
    over: Span = 0.25

    def read(self, target: Readable) -> float | None:
        """A share; None where there was no view."""
        bad = share_of(target, self.over, lambda row: row.errors + row.slow)
        return None if bad is None else 1 - bad
