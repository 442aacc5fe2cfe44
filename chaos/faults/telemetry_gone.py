"""Whoever watches sees nothing: its links are cut, and silence looks like health."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, MeaninglessChange, Network, component_of
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import NetworkLink, TargetSpec


@dataclass(frozen=True)
class TelemetryGone:
    """Cut the network links by which `watcher` alone looks at others; those to `spared` components stay.

    `sample` is a sample of the watcher's own metrics that is above 0 only once it cannot see what it watches.
    Source: Knight Capital 2012, where the warnings went unread; McGlohon: make failure obvious.
    """

    name: ClassVar[str] = "telemetry_gone"
    needs: ClassVar[tuple[type[Capability], ...]] = (Network,)
    watcher: str
    sample: str
    spared: tuple[str, ...] = ()

    def refuse(self, spec: TargetSpec) -> None:
        """A watcher that is not there, or that has nothing to look through."""
        for name, field in ((self.watcher, "watcher"), *((one, "spared") for one in self.spared)):
            component_of(spec, name, field)
        if not self._links(spec):
            raise MeaninglessChange("watcher", f"no network link of {self.watcher!r} alone would be cut")

    def _links(self, spec: TargetSpec) -> list[str]:
        return [
            name
            for name, link in spec.links.items()
            if isinstance(link, NetworkLink) and link.from_ == [self.watcher] and link.to not in self.spared
        ]

    def changes(self, target: Usable) -> Iterator[Change]:
        """Each of its links is down."""
        for link in self._links(target.spec):
            yield target.use(Network).down(link)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """The watcher counts that it cannot see."""
        counter: dict[str, str | float] = {"component": self.watcher, "sample": self.sample}
        return EffectCheck("metric", {**counter, "absent": 0.0}, at_least=1)
