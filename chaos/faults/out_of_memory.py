"""A component runs out of memory, again and again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Containers, MeaninglessChange, component_of
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class OutOfMemory:
    """Restart a component's container with `mib` MiB of memory, too few: the kernel kills it each time.

    What restarts it tries again and again, as with a limit that a new release has outgrown.
    """

    name: ClassVar[str] = "out_of_memory"
    needs: ClassVar[tuple[type[Capability], ...]] = (Containers,)
    component: str
    mib: int

    def refuse(self, spec: TargetSpec) -> None:
        """The engine takes no less than 6 MiB."""
        component_of(spec, self.component)
        if self.mib < 6:
            raise MeaninglessChange("mib", "must be 6 or more: an engine takes no less")

    def changes(self, target: Usable) -> Iterator[Change]:
        """The container has too little memory."""
        yield target.use(Containers).memory(self.component, self.mib)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """The component has ended more often than by the restart alone."""
        return EffectCheck("component_ends", {"component": self.component}, at_least=2)
