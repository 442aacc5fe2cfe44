"""A network link is cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Network
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class LinkDown:
    """Cut one network link: its callers are refused, all else gets through (a partial partition)."""

    name: ClassVar[str] = "link_down"
    needs: ClassVar[tuple[type[Capability], ...]] = (Network,)
    link: str

    def changes(self, target: Usable) -> Iterator[Change]:
        """The link is down."""
        yield target.use(Network).down(self.link)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """No health request over the link comes back."""
        return EffectCheck("link_silent", {"link": self.link, "over": "0.15d"}, at_least=1)
