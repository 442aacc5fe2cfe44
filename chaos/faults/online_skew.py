"""Serving computes a feature otherwise than training does, since the code of one of them has changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Config, MeaninglessChange, build_of, component_of
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class OnlineSkew:
    """Roll `build`, whose feature client has another unit than training, out to all `replicas` at once.

    Sources: Sculley et al., Hidden technical debt in machine learning systems (NeurIPS 2015); Breck et al.,
    The ML Test Score (2017), on features that differ between training and serving.
    """

    name: ClassVar[str] = "online_skew"
    needs: ClassVar[tuple[type[Capability], ...]] = (Config,)
    replicas: list[str]
    build: str

    def refuse(self, spec: TargetSpec) -> None:
        """There is somebody to roll it out to, and something to roll out."""
        if not self.replicas:
            raise MeaninglessChange("replicas", "a build that is rolled out to nobody changes nothing")
        for replica in self.replicas:
            component_of(spec, replica, "replicas")
        build_of(spec, self.build)

    def changes(self, target: Usable) -> Iterator[Change]:
        """One setting on each replica."""
        for replica in self.replicas:
            yield target.use(Config).push(replica, "build", self.build)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """The build answers most views."""
        return EffectCheck("build_share", {"build": self.build, "over": "0.1d"}, at_least=0.5)
