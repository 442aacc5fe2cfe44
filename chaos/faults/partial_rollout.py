"""One replica of several is left on old code, and a flag that means something else to it is raised."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Config, MeaninglessChange, build_of, component_of
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec
from chaos.errors import nearest


@dataclass(frozen=True)
class PartialRollout:
    """Run `build` on the replica `missed`, then have the door raise `flag` on all `replicas`.

    Source: Knight Capital, 2012 (SEC release 34-70694): one of eight servers ran old code, woken by a flag
    that had been used before.
    """

    name: ClassVar[str] = "partial_rollout"
    needs: ClassVar[tuple[type[Capability], ...]] = (Config,)
    missed: str
    replicas: list[str]
    build: str
    flag: str

    def refuse(self, spec: TargetSpec) -> None:
        """The replica that is missed is one of several."""
        if not self.replicas:
            raise MeaninglessChange("replicas", "a flag that is raised on nobody changes nothing")
        for component in self.replicas:
            component_of(spec, component, "replicas")
        build_of(spec, self.build)
        if self.missed not in self.replicas or len(self.replicas) < 2:
            says = "the replica that is missed must be one of several replicas"
            raise MeaninglessChange("missed", says, nearest(self.missed, self.replicas))

    def changes(self, target: Usable) -> Iterator[Change]:
        """The old build, then the flag."""
        config = target.use(Config)
        yield config.push(component_of(target.spec, self.missed), "build", self.build)
        yield config.ask(
            self.replicas, self.flag, True, by="release script", approved_by="reviewer", field="flag"
        )

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """The old build answers views."""
        return EffectCheck("build_share", {"build": self.build, "over": "0.1d"}, at_least=0.05)
