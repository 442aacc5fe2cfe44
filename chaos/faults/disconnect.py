"""A component is cut off from everybody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Containers, component_of
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class Disconnect:
    """Take a component's container off its network: it runs on, reaches nobody, and nobody reaches it."""

    name: ClassVar[str] = "disconnect"
    needs: ClassVar[tuple[type[Capability], ...]] = (Containers,)
    component: str

    def refuse(self, spec: TargetSpec) -> None:
        """It must be there."""
        component_of(spec, self.component)

    def changes(self, target: Usable) -> Iterator[Change]:
        """The container is off the network."""
        yield target.use(Containers).disconnect(self.component)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """The component answers no more."""
        return EffectCheck("component_silent", {"component": self.component}, at_least=1)
