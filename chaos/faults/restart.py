"""A component ends and starts again, with nothing in its memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Processes, component_of
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class Restart:
    """End one component at once and start it again: every deployment does that, and every crash.

    Harmless where all that it needs is still to be had.
    Source: Papasian & Underwood, How ML Breaks (OpML 2020).
    """

    name: ClassVar[str] = "restart"
    needs: ClassVar[tuple[type[Capability], ...]] = (Processes,)
    component: str

    def refuse(self, spec: TargetSpec) -> None:
        """It must be there."""
        component_of(spec, self.component)

    def changes(self, target: Usable) -> Iterator[Change]:
        """The end, then the start."""
        processes = target.use(Processes)
        yield processes.kill(self.component)
        yield processes.start(self.component)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """Views are answered with an error, or for want of a better answer."""
        return EffectCheck("unsound_views", {"over": "0.1d"}, at_least=0.1)
