"""A component's disk is full."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Containers, component_of
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec

USED = "disk_used_share"
FULL = 0.99


@dataclass(frozen=True)
class DiskFull:
    """Fill the disk that a component writes to; whatever it wants to keep, it cannot."""

    name: ClassVar[str] = "disk_full"
    needs: ClassVar[tuple[type[Capability], ...]] = (Containers,)
    component: str

    def refuse(self, spec: TargetSpec) -> None:
        """Only a disk of the component's own is filled, never the machine's."""
        component_of(spec, self.component)
        if Containers.name in spec.capabilities:
            Containers(spec).fill_disk(self.component)

    def changes(self, target: Usable) -> Iterator[Change]:
        """The disk is full."""
        yield target.use(Containers).fill_disk(self.component)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """The component itself finds no space on it."""
        return EffectCheck("metric", {"component": self.component, "sample": USED}, at_least=FULL)
