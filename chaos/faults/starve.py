"""One process gets too little of its processor, as beside a noisy neighbour; whoever watches it is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, MeaninglessChange, Processes, link_to
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.durations import Milliseconds
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class Starve:
    """Stop a component for `stopped_ms` and let it run for `running_ms`, again and again.

    Source: Papasian and Underwood, OpML 2020 (capacity). A duty cycle of SIGSTOP and SIGCONT starves the one
    process and not the machine, so that what is measured of the others still counts.
    """

    name: ClassVar[str] = "starve"
    needs: ClassVar[tuple[type[Capability], ...]] = (Processes,)
    component: str
    stopped_ms: Milliseconds
    running_ms: Milliseconds

    def refuse(self, spec: TargetSpec) -> None:
        """Both parts of the cycle are long enough to be kept, and somebody must be able to notice."""
        for field, value in (("stopped_ms", self.stopped_ms), ("running_ms", self.running_ms)):
            if value < 10:
                raise MeaninglessChange(field, "parts of a cycle shorter than 10ms cannot be kept")
        self.effect(spec)

    def changes(self, target: Usable) -> Iterator[Change]:
        """One duty cycle."""
        yield target.use(Processes).starve(self.component, self.stopped_ms, self.running_ms)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:
        """The slowest of several health requests, spread over a cycle, waits for half of a stop or longer."""
        cycle = f"{self.stopped_ms + self.running_ms:g}ms"
        parameters = {"link": link_to(spec, self.component), "over_ms": cycle}
        return EffectCheck("slowest_request", parameters, at_least=self.stopped_ms / 2)
