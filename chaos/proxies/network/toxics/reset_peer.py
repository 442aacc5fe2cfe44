"""reset_peer: breaks the connection off with a TCP RST."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.proxies.network.toxic import Stub


@dataclass(frozen=True, slots=True)
class ResetPeer:
    """Reset both ends `timeout` milliseconds after the first chunk or the end; never when idle."""

    type: ClassVar[str] = "reset_peer"
    timeout: int = 0

    async def pipe(self, stub: Stub) -> None:
        """Swallow what comes first, wait, reset; a removal or update during the wait resets at once."""
        await stub.take()
        await stub.wait(self.timeout / 1000)
        stub.reset()
