"""How many of the views got no answer, or one for want of a better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.contracts import Readable
from chaos.domain.durations import Span
from chaos.probes.recent import share_of


@dataclass(frozen=True)
class UnsoundViews:
    """Views with an error or a fallback's answer, as a share of all of the last `over` days."""

    name: ClassVar[str] = "unsound_views"
    over: Span = 0.25

    def read(self, target: Readable) -> float | None:
        """A share; None where there was no view."""
        return share_of(target, self.over, lambda row: row.errors + row.fallback)
