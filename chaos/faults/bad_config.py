"""A configuration value that breaks what it reaches goes to many components at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Config, MeaninglessChange, component_of
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class BadConfig:
    """Ask the target's door to set `key` to `value` on `components`, read by `approved_by` or by nobody; with
    `bypass` set it on each directly.

    Source: Google Cloud, June 2025 (a policy with blank fields, replicated everywhere within seconds).
    """

    name: ClassVar[str] = "bad_config"
    needs: ClassVar[tuple[type[Capability], ...]] = (Config,)
    components: list[str]
    key: str
    value: str | int | float | bool
    approved_by: str = ""
    bypass: bool = False

    def refuse(self, spec: TargetSpec) -> None:
        """A push reaches somebody that is there."""
        if not self.components:
            raise MeaninglessChange("components", "a push without a component reaches nobody")
        for component in self.components:
            component_of(spec, component, "components")

    def changes(self, target: Usable) -> Iterator[Change]:
        """One push, or one setting for each component."""
        config = target.use(Config)
        if not self.bypass:
            yield config.ask(
                self.components, self.key, self.value, by="release script", approved_by=self.approved_by
            )
            return
        for component in self.components:
            yield config.push(component, self.key, self.value)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """One view in ten or more goes wrong."""
        return EffectCheck("good_views", {"over": "0.1d"}, at_most=0.9)
