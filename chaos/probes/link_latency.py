"""How long a request over a network link takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import network_link
from chaos.contracts import Readable
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class LinkLatency:
    """The round trip of a health request over one link, in milliseconds."""

    name: ClassVar[str] = "link_latency"
    link: str

    def refuse(self, spec: TargetSpec) -> None:
        """Only a network link has a latency."""
        network_link(spec, self.link)

    def read(self, target: Readable) -> float | None:
        """Milliseconds; None where nothing came back."""
        return target.link_ms(self.link)
