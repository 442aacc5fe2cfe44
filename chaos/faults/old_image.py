"""A replica runs from an image of another release."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Containers, MeaninglessChange, component_of
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class OldImage:
    """Put a container from `image`, an older release, in the place of a component's; it answers as `build`.

    What a rollout does to a replica that it misses, and a node that still has yesterday's image.
    Source: Knight Capital, 2012 (SEC release 34-70694): one of eight servers ran old code.
    """

    name: ClassVar[str] = "old_image"
    needs: ClassVar[tuple[type[Capability], ...]] = (Containers,)
    component: str
    image: str
    build: str

    def refuse(self, spec: TargetSpec) -> None:
        """There is an image."""
        component_of(spec, self.component)
        if not self.image.strip():
            raise MeaninglessChange("image", "must name an image")

    def changes(self, target: Usable) -> Iterator[Change]:
        """Another container in the place of the component's."""
        yield target.use(Containers).image(self.component, self.image)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """The old build answers views."""
        return EffectCheck("build_share", {"build": self.build, "over": "0.1d"}, at_least=0.05)
