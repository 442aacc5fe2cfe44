"""The next model wins every offline comparison and loses its users: it was judged before it was packed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Config, MeaninglessChange
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class OfflineWinner:
    """Pack the next models' weights into one byte each, `scale` steps to a unit.

    A scale that is too large makes weights wrap round; one with the wrong sign turns best into worst.

    The trainer judges the model before it packs it. Sources: Ariane 501 (a number that did not fit its type);
    Breck et al. 2017, The ML Test Score, on training and serving that differ.
    """

    name: ClassVar[str] = "offline_winner"
    needs: ClassVar[tuple[type[Capability], ...]] = (Config,)
    component: str
    scale: float
    key: str = "export_scale"

    def refuse(self, spec: TargetSpec) -> None:  # noqa: ARG002
        """No steps to a unit are no packing."""
        if self.scale == 0:
            raise MeaninglessChange("scale", "a scale of no steps to a unit packs nothing")

    def changes(self, target: Usable) -> Iterator[Change]:
        """One setting."""
        yield target.use(Config).push(self.component, self.key, self.scale)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """Slates are worth far less than the best ones would be; healthy ones are at about 0.6."""
        return EffectCheck("slate_quality", {"over": "0.1d"}, at_most=0.4)
