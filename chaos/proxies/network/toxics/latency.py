"""latency: delays data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.proxies.network.chunk import Chunk
from chaos.proxies.network.toxic import Stub

# `jitter` doubled must fit the real server's 64 bits, or its process ends.
_MAX_JITTER_MS = 2**62 - 1


@dataclass(frozen=True, slots=True)
class Latency:
    """Delay each chunk by `latency` ± `jitter` milliseconds, counted from its arrival at the proxy."""

    type: ClassVar[str] = "latency"
    # Deep enough that the delay costs no throughput: 32 MiB in flight.
    buffer_chunks: ClassVar[int] = 1024
    latency: int = 0
    jitter: int = 0

    def refusal(self) -> str | None:
        """A jitter that overflows."""
        return f"jitter must be at most {_MAX_JITTER_MS}" if self.jitter > _MAX_JITTER_MS else None

    async def pipe(self, stub: Stub) -> None:
        """Hold each chunk until it is due; chunks keep their order."""
        async for chunk in stub:
            delay_ms = self.latency
            if self.jitter > 0:
                delay_ms += stub.rng.randrange(-self.jitter, self.jitter)
            due = chunk.at + max(0, delay_ms) / 1000
            await stub.wait_until(due)
            # The next toxic counts from when the chunk should have left here, so that two delays add up.
            stub.send(Chunk(chunk.data, due))
