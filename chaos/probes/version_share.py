"""How many of the views one model version answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.contracts import Readable
from chaos.domain.durations import Span
from chaos.probes.recent import share_of


@dataclass(frozen=True)
class VersionShare:
    """Views answered by `version`, as a share of all of the last `over` days."""

    name: ClassVar[str] = "version_share"
    version: int
    over: Span = 0.25

    def read(self, target: Readable) -> float | None:
        """A share; None where there was no view."""
        return share_of(target, self.over, lambda row: row.n if row.version == self.version else 0)
