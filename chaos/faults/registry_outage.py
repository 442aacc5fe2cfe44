"""The model registry stops answering while a replica starts anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, MeaninglessChange, Network, Processes, component_of
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import NetworkLink, TargetSpec


@dataclass(frozen=True)
class RegistryOutage:
    """Cut the `links` to the registry, then end the component `restart` and start it again.

    A replica that goes on running has its model in memory; one that starts must get it from somewhere.
    Source: Papasian & Underwood, How ML Breaks (OpML 2020): most outages of ML are distributed systems'.
    """

    name: ClassVar[str] = "registry_outage"
    needs: ClassVar[tuple[type[Capability], ...]] = (Network, Processes)
    links: list[str]
    restart: str

    def refuse(self, spec: TargetSpec) -> None:
        """There is something to cut, and somebody to restart."""
        if not self.links:
            raise MeaninglessChange("links", "an outage without a link cuts nobody off")
        component_of(spec, self.restart, "restart")

    def changes(self, target: Usable) -> Iterator[Change]:
        """The cuts, then the restart."""
        for link in self.links:
            yield target.use(Network).down(link, field="links")
        processes = target.use(Processes)
        yield processes.kill(self.restart)
        yield processes.start(self.restart)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:
        """Nothing comes back over the link by which the component that starts anew would get its model."""
        calls = {name: link.from_ for name, link in spec.links.items() if isinstance(link, NetworkLink)}
        link = next((name for name in self.links if self.restart in calls.get(name, ())), self.links[0])
        return EffectCheck("link_silent", {"link": link, "over": "0.15d"}, at_least=1)
