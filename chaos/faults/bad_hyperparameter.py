"""A hyperparameter leaves the next training without a minimum, and the model without anything learnt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Config
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class BadHyperparameter:
    """Train with `key` at `value` from now on: set on the trainer, or asked for at the door (`by_push`).

    With a ridge of -1e6 there is no minimum: the fit gives up, with weights of nothing.
    Source: Papasian & Underwood, How ML Breaks (OpML 2020).
    """

    name: ClassVar[str] = "bad_hyperparameter"
    needs: ClassVar[tuple[type[Capability], ...]] = (Config,)
    component: str
    key: str
    value: float
    by_push: bool = False

    def changes(self, target: Usable) -> Iterator[Change]:
        """One setting, or one push."""
        config = target.use(Config)
        if self.by_push:
            yield config.ask([self.component], self.key, self.value, by="researcher", approved_by="reviewer")
        else:
            yield config.push(self.component, self.key, self.value)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """A model was made that weighs none of its features: a healthy one's largest weight is about 2."""
        sample = {"component": self.component, "sample": "training_largest_weight"}
        return EffectCheck("metric", sample, at_most=0.05)
