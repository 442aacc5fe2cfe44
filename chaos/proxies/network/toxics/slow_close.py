"""slow_close: delays the end of the stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.proxies.network.toxic import Stub


@dataclass(frozen=True, slots=True)
class SlowClose:
    """Hold the end of the stream back for `delay` milliseconds; data passes untouched."""

    type: ClassVar[str] = "slow_close"
    delay: int = 0

    async def pipe(self, stub: Stub) -> None:
        """Send each chunk as it comes, then wait."""
        async for chunk in stub:
            stub.send(chunk)
        await stub.wait(self.delay / 1000)
