"""More shoppers come than the site was sized for, and a slow site does not slow them down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, MeaninglessChange, Traffic
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class Surge:
    """Multiply the arrivals by `factor`, open loop: nobody waits for the page before to be answered.

    Source: Papasian and Underwood, OpML 2020: overload, second only to rollouts.
    """

    name: ClassVar[str] = "surge"
    needs: ClassVar[tuple[type[Capability], ...]] = (Traffic,)
    factor: float

    def refuse(self, spec: TargetSpec) -> None:  # noqa: ARG002
        """A surge is more than usual, and not more than a machine can make."""
        if not 1.1 <= self.factor <= 10:
            raise MeaninglessChange("factor", "a surge is between 1.1 and 10 times the usual arrivals")

    def changes(self, target: Usable) -> Iterator[Change]:
        """The traffic's own setting."""
        yield target.use(Traffic).surge(self.factor)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """More views than in the days before, by a third of what was asked for: some leave at once."""
        at_least, lasting_days = 1 + (self.factor - 1) / 3, 0.4  # a mean over a day, told of hour by hour
        return EffectCheck("traffic_ratio", {"over": "1d"}, at_least=at_least, lasting_days=lasting_days)
