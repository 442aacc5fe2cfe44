"""The share of page views that went badly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.contracts import Readable
from chaos.domain.durations import Span
from chaos.probes.good_views import GoodViews


@dataclass(frozen=True)
class BadViews:
    """Views with an error or a slow answer, as a share of all of the last `over` days."""

    name: ClassVar[str] = "bad_views"
    over: Span = 0.25

    def read(self, target: Readable) -> float | None:
        """A share; None where there was no view."""
        good = GoodViews(self.over).read(target)
        return None if good is None else 1.0 - good
