"""A component is killed, as by a crash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Processes
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class Kill:
    """End a component at once (SIGKILL): it loses its memory and keeps its folders.

    It is started again when the fault is undone, or before that by its supervisor, where it has one.
    """

    name: ClassVar[str] = "kill"
    needs: ClassVar[tuple[type[Capability], ...]] = (Processes,)
    component: str

    def changes(self, target: Usable) -> Iterator[Change]:
        """The component is killed."""
        yield target.use(Processes).kill(self.component)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """Whoever runs the component has seen it end."""
        return EffectCheck("component_ends", {"component": self.component}, at_least=1)
