"""A hyperparameter leaves the next training without a minimum: nothing is learnt, or the weights diverge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Config
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec

ORDERS = 1.3


@dataclass(frozen=True)
class BadHyperparameter:
    """Train with `key` at `value` from now on: set on the trainer, or asked for at the door (`by_push`).

    With a `learning_rate` of 2.5 the reference stack's weights grow from step to step, with one of 1e15 they
    overflow to NaN; with a `ridge` of -1e6 the fit gives up, with weights of nothing. `sample` is the metric
    of the component that tells a model's largest weight, `usual` what it is of a healthy one.
    Source: Papasian & Underwood, How ML Breaks (OpML 2020).
    """

    name: ClassVar[str] = "bad_hyperparameter"
    needs: ClassVar[tuple[type[Capability], ...]] = (Config,)
    component: str
    key: str
    value: int | float
    by_push: bool = False
    sample: str = "training_largest_weight"
    usual: float = 2.0

    def changes(self, target: Usable) -> Iterator[Change]:
        """One setting, or one push."""
        config = target.use(Config)
        if self.by_push:
            yield config.ask([self.component], self.key, self.value, by="researcher", approved_by="reviewer")
        else:
            yield config.push(self.component, self.key, self.value)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """A model was made whose largest weight is twenty times the usual one or more, or a twentieth."""
        return EffectCheck(
            "orders_off",
            {"component": self.component, "sample": self.sample, "usual": self.usual},
            at_least=ORDERS,
        )
