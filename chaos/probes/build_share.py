"""How many of the views one build answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import build_of
from chaos.contracts import Readable
from chaos.domain.durations import Span
from chaos.domain.target import TargetSpec
from chaos.probes.recent import share_of


@dataclass(frozen=True)
class BuildShare:
    """Views answered by replicas that run `build`, as a share of all of the last `over` days."""

    name: ClassVar[str] = "build_share"
    build: str
    over: Span = 0.25

    def refuse(self, spec: TargetSpec) -> None:
        """A build that the target knows, where it says which there are."""
        build_of(spec, self.build)

    def read(self, target: Readable) -> float | None:
        """A share; None where there was no view."""
        return share_of(target, self.over, lambda row: row.n if row.build == self.build else 0)
