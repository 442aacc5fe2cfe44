"""noop: changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.proxies.network.toxic import Stub


@dataclass(frozen=True, slots=True)
class Noop:
    """Pass everything on; also stands in for a toxic that its toxicity spared."""

    type: ClassVar[str] = "noop"

    async def pipe(self, stub: Stub) -> None:
        """Send each chunk as it comes."""
        async for chunk in stub:
            stub.send(chunk)
