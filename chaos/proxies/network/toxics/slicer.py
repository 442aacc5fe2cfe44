"""slicer: cuts data into small pieces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.proxies.network.chunk import Chunk
from chaos.proxies.network.toxic import Rng, Stub


@dataclass(frozen=True, slots=True)
class Slicer:
    """Cut chunks into slices of `average_size` ± `size_variation` bytes, `delay` microseconds after each."""

    type: ClassVar[str] = "slicer"
    average_size: int = 0
    size_variation: int = 0
    delay: int = 0

    def refusal(self) -> str | None:
        """Sizes for which halving would never come to an end."""
        if self.average_size <= 0:
            return "average_size must be above 0"
        if self.size_variation > self.average_size:
            return "size_variation must be at most average_size"
        if self.average_size + self.size_variation < 1:
            return "average_size and size_variation must add up to at least 1"
        return None

    async def pipe(self, stub: Stub) -> None:
        """Send slice by slice."""
        async for chunk in stub:
            data = chunk.data
            for start, end in self._slices(0, len(data), stub.rng):
                stub.send(Chunk(data[start:end], chunk.at))
                if await stub.wait(self.delay / 1e6):
                    stub.send(Chunk(data[end:], chunk.at))
                    break

    def _slices(self, start: int, end: int, rng: Rng) -> Iterator[tuple[int, int]]:
        """Halve at about the middle until a part is small enough."""
        if end - start - self.average_size <= self.size_variation:
            yield start, end
            return
        middle = start + (end - start) // 2
        if self.size_variation > 0:
            middle += rng.randrange(-self.size_variation, self.size_variation)
        yield from self._slices(start, middle, rng)
        yield from self._slices(middle, end, rng)
