"""limit_data: closes the connection after so many bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.proxies.network.chunk import Chunk
from chaos.proxies.network.toxic import Stub


@dataclass(frozen=True, slots=True)
class LimitData:
    """Let `bytes` bytes through, counted per connection from when the toxic was added, then close."""

    type: ClassVar[str] = "limit_data"
    bytes: int = 0

    async def pipe(self, stub: Stub) -> None:
        """Send what the limit leaves room for."""
        async for chunk in stub:
            room = max(0, self.bytes - stub.passed_bytes)
            stub.send(Chunk(chunk.data[:room], chunk.at))
            if stub.passed_bytes >= self.bytes:
                return
