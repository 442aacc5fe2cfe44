"""Clients that give up soon and ask again: any overload then feeds itself, and outlives what began it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, MeaninglessChange, Traffic
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.durations import Milliseconds
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class EagerRetries:
    """Clients wait for `timeout_ms` only, and make up to `attempts` attempts. By itself it does nothing: it
    needs a trigger. The work that they no longer wait for is done all the same.

    Source: Huang et al., Metastable Failures in the Wild, OSDI 2022 (retries sustain half of the cases).
    """

    name: ClassVar[str] = "eager_retries"
    needs: ClassVar[tuple[type[Capability], ...]] = (Traffic,)
    timeout_ms: Milliseconds
    attempts: int

    def refuse(self, spec: TargetSpec) -> None:  # noqa: ARG002
        """Who asks once does not ask again."""
        if not 2 <= self.attempts <= 20:
            raise MeaninglessChange("attempts", "clients that retry make between 2 and 20 attempts")
        if self.timeout_ms < 1:
            raise MeaninglessChange("timeout_ms", "nothing is answered in less than 1ms")

    def changes(self, target: Usable) -> Iterator[Change]:
        """Two settings of the clients."""
        yield from target.use(Traffic).clients(timeout_ms=self.timeout_ms, attempts=self.attempts)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:
        """One retry for every second request, or more."""
        traffic = spec.traffic
        if traffic is None:
            raise MeaninglessChange("", f"target {spec.target!r} does not say where its traffic comes from")
        counters = {"component": traffic.component, "counter": traffic.retries, "per": traffic.requests}
        return EffectCheck("counter_ratio", counters, at_least=0.5)
