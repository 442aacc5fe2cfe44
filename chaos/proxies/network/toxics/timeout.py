"""timeout: stops all data, then closes the connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.proxies.network.toxic import Stub


@dataclass(frozen=True, slots=True)
class Timeout:
    """Drop all data, and close once none has come for `timeout` milliseconds; 0 never closes."""

    type: ClassVar[str] = "timeout"
    timeout: int = 0

    async def pipe(self, stub: Stub) -> None:
        """Take and forget; each chunk starts the wait afresh."""
        within_s = self.timeout / 1000 if self.timeout > 0 else None
        while await stub.take(within_s) is not None:
            pass

    def cleanup(self, stub: Stub) -> None:
        """Close: data is missing, so the stream cannot go on."""
        stub.close()
