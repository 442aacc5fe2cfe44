"""How long a request over a network link takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.contracts import Readable


@dataclass(frozen=True)
class LinkLatency:
    """The round trip of a health request over one link, in milliseconds."""

    name: ClassVar[str] = "link_latency"
    link: str

    def read(self, target: Readable) -> float | None:
        """Milliseconds; None where nothing came back."""
        return target.link_ms(self.link)
