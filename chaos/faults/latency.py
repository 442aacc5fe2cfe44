"""Every reply on a network link is delayed, as by a slow dependency."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, MeaninglessChange, Network
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.durations import Milliseconds
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class Latency:
    """Delay every reply on one link by `delay_ms`, give or take `jitter_ms` (uniform)."""

    name: ClassVar[str] = "latency"
    needs: ClassVar[tuple[type[Capability], ...]] = (Network,)
    link: str
    delay_ms: Milliseconds
    jitter_ms: Milliseconds = 0.0

    def refuse(self, spec: TargetSpec) -> None:  # noqa: ARG002
        """A delay of nothing, and jitter above the delay, cannot be meant."""
        if self.delay_ms < 1:
            raise MeaninglessChange("delay_ms", "a delay below 1ms cannot be told from none")
        if self.jitter_ms > self.delay_ms:
            raise MeaninglessChange("jitter_ms", "the jitter is larger than the delay")

    def changes(self, target: Usable) -> Iterator[Change]:
        """One `latency` toxic."""
        yield target.use(Network).toxic(
            self.link, "latency", latency=round(self.delay_ms), jitter=round(self.jitter_ms)
        )

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """A health request over the link takes nine tenths of the least delay, or longer."""
        return EffectCheck(
            "link_latency", {"link": self.link}, at_least=max(1.0, 0.9 * (self.delay_ms - self.jitter_ms))
        )
