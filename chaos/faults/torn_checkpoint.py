"""The trainer is killed while it saves, and what it had written by then is taken for the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Processes, component_of
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class TornCheckpoint:
    """End `component` and start it again; meant for the moment at which a save begins (`when`).

    `reader` is a component that will load what was saved: that it cannot is the proof.
    Source: Papasian & Underwood, How ML Breaks (OpML 2020).
    """

    name: ClassVar[str] = "torn_checkpoint"
    needs: ClassVar[tuple[type[Capability], ...]] = (Processes,)
    component: str
    reader: str

    def refuse(self, spec: TargetSpec) -> None:
        """Both must be there."""
        component_of(spec, self.component)
        component_of(spec, self.reader, "reader")

    def changes(self, target: Usable) -> Iterator[Change]:
        """The end, then the start."""
        processes = target.use(Processes)
        yield processes.kill(self.component)
        yield processes.start(self.component)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """The reader has met a model that it cannot use."""
        counter: dict[str, str | float] = {"component": self.reader, "sample": "model_unusable_total"}
        return EffectCheck("metric", {**counter, "absent": 0.0}, at_least=1)
