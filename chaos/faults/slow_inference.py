"""Answers take longer to compute, as with a larger model, a colder cache or a busier machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Config, MeaninglessChange, component_of
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.durations import Milliseconds
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class SlowInference:
    """Make each answer of `components` cost `service_ms` of a worker, so that they can answer fewer.

    `setting` is the components' own setting of that cost. Source: Papasian and Underwood, OpML 2020.
    """

    name: ClassVar[str] = "slow_inference"
    needs: ClassVar[tuple[type[Capability], ...]] = (Config,)
    components: list[str]
    service_ms: Milliseconds
    setting: str = "shell.service_ms"

    def refuse(self, spec: TargetSpec) -> None:
        """Components that are there, each once."""
        if not self.components or len(dict.fromkeys(self.components)) < len(self.components):
            raise MeaninglessChange("components", "names at least one component, and each once")
        if self.service_ms <= 0:
            raise MeaninglessChange("service_ms", "an answer costs something")
        for component in self.components:
            component_of(spec, component, "components")

    def changes(self, target: Usable) -> Iterator[Change]:
        """The setting of each."""
        for component in self.components:
            yield target.use(Config).push(component, self.setting, self.service_ms, field="setting")

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """A tenth of the views is bad, or more."""
        return EffectCheck("bad_views", {"over": "0.25d"}, at_least=0.1)
