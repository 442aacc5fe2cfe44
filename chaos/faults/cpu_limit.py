"""A component gets too little of the processor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Containers, MeaninglessChange, component_of
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import NetworkLink, TargetSpec

SLOW_MS = 30.0
"""A limited container waits for its next share, of each 100 ms; a health request takes some ms without."""


@dataclass(frozen=True)
class CpuLimit:
    """Let a component's container have only `cpus` processors' time (0.05: 5 ms of each 100 ms)."""

    name: ClassVar[str] = "cpu_limit"
    needs: ClassVar[tuple[type[Capability], ...]] = (Containers,)
    component: str
    cpus: float

    def refuse(self, spec: TargetSpec) -> None:
        """The engine takes no less than 0.01, and a limit above a half is not felt."""
        component_of(spec, self.component)
        if not 0.01 <= self.cpus <= 0.5:
            raise MeaninglessChange("cpus", "must be between 0.01 and 0.5")
        if _link_to(spec, self.component) is None:
            raise MeaninglessChange(
                "component", f"no network link leads to {self.component!r}: nothing shows it"
            )

    def changes(self, target: Usable) -> Iterator[Change]:
        """The container is limited."""
        yield target.use(Containers).cpus(self.component, self.cpus)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:
        """A health request to the component is slow."""
        link = _link_to(spec, self.component)
        return None if link is None else EffectCheck("link_latency", {"link": link}, at_least=SLOW_MS)


def _link_to(spec: TargetSpec, component: str) -> str | None:
    return next(
        (name for name, link in spec.links.items() if isinstance(link, NetworkLink) and link.to == component),
        None,
    )
