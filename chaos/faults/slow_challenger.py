"""The next model is as good as the last, and takes far longer to answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Config, MeaninglessChange
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.durations import Milliseconds
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class SlowChallenger:
    """Let the next models take `inference_ms` longer for each answer; no offline figure shows that.

    Source: Papasian & Underwood, How ML Breaks (OpML 2020); Brutlag 2009 on what slowness costs.
    """

    name: ClassVar[str] = "slow_challenger"
    needs: ClassVar[tuple[type[Capability], ...]] = (Config,)
    component: str
    inference_ms: Milliseconds
    key: str = "inference_ms"

    def refuse(self, spec: TargetSpec) -> None:  # noqa: ARG002
        """A millisecond is not slow."""
        if self.inference_ms < 1:
            raise MeaninglessChange("inference_ms", "less than 1ms cannot be told from none")

    def changes(self, target: Usable) -> Iterator[Change]:
        """One setting."""
        yield target.use(Config).push(self.component, self.key, self.inference_ms)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """One view in ten or more is slow."""
        return EffectCheck("good_views", {"over": "0.1d"}, at_most=0.9)
