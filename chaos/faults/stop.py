"""A component is stopped and stays down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Processes
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class Stop:
    """End a component in good order (SIGTERM) and keep it down, as a deployment gone wrong does."""

    name: ClassVar[str] = "stop"
    needs: ClassVar[tuple[type[Capability], ...]] = (Processes,)
    component: str

    def changes(self, target: Usable) -> Iterator[Change]:
        """The component is stopped."""
        yield target.use(Processes).stop(self.component)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """The component answers no more."""
        return EffectCheck("component_silent", {"component": self.component}, at_least=1)
