"""A component gets too little of the processor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Containers, MeaninglessChange, component_of, link_to
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec

PERIOD_MS = 100.0
"""A container gets its share anew at the beginning of each, as Docker sets it (`--cpu-period`)."""
SLOW_MS = 30.0
"""A limited container waits for its next share; a health request takes some ms without."""


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
        link_to(spec, self.component)

    def changes(self, target: Usable) -> Iterator[Change]:
        """The container is limited."""
        yield target.use(Containers).cpus(self.component, self.cpus)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:
        """The slowest of several health requests, spread over a period, waits: one alone, sent each so many
        periods, may come to a fresh share each time.
        """
        parameters = {"link": link_to(spec, self.component), "over_ms": f"{PERIOD_MS:g}ms"}
        return EffectCheck("slowest_request", parameters, at_least=SLOW_MS)
