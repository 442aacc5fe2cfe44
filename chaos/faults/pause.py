"""A component stands still."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Processes
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class Pause:
    """Stop a component where it stands (SIGSTOP), as a machine that hangs: it accepts, and never answers."""

    name: ClassVar[str] = "pause"
    needs: ClassVar[tuple[type[Capability], ...]] = (Processes,)
    component: str

    def changes(self, target: Usable) -> Iterator[Change]:
        """The component is paused."""
        yield target.use(Processes).pause(self.component)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """The component answers no more."""
        return EffectCheck("component_silent", {"component": self.component}, at_least=1)
