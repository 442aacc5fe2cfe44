"""How often a component's process has ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import component_of
from chaos.contracts import Readable
from chaos.domain.event import Exit
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class ComponentEnds:
    """How many times a component's process has ended so far, as whoever runs it has seen."""

    name: ClassVar[str] = "component_ends"
    component: str

    def refuse(self, spec: TargetSpec) -> None:
        """A component that is not there cannot end."""
        component_of(spec, self.component)

    def read(self, target: Readable) -> float | None:
        """A count."""
        return float(sum(ended.component == self.component for ended in target.seen(Exit)))
