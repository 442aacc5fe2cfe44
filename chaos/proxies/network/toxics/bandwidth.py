"""bandwidth: limits the rate of data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.proxies.network.chunk import Chunk
from chaos.proxies.network.toxic import Stub

_SLICE_S = 0.1
# The bytes of a slice must fit the real server's 64 bits, or its process ends.
_MAX_RATE = (2**63 - 1) // 100


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """Let at most `rate` kilobytes (1000 bytes) a second through; 0 lets nothing through."""

    type: ClassVar[str] = "bandwidth"
    rate: int = 0

    def refusal(self) -> str | None:
        """A rate that is negative, or overflows."""
        return None if 0 <= self.rate <= _MAX_RATE else f"rate must be from 0 to {_MAX_RATE}"

    async def pipe(self, stub: Stub) -> None:
        """Send a slice each tenth of a second, and the rest of a chunk when its time has come."""
        slice_bytes = self.rate * 100
        owed_s = 0.0
        async for chunk in stub:
            data = chunk.data
            if self.rate:
                owed_s += len(data) / (self.rate * 1000)
            began = stub.now()
            while len(data) > slice_bytes and not await stub.wait(_SLICE_S):
                stub.send(Chunk(data[:slice_bytes], chunk.at))
                data = data[slice_bytes:]
            # Timers are late: what this chunk took too long is taken off the next one's time.
            await stub.wait_until(began + owed_s)
            stub.send(Chunk(data, chunk.at))
            owed_s -= stub.now() - began
