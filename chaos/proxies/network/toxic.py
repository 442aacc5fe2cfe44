"""What a toxic is: one required method, and three optional ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from chaos.proxies.network.chunk import Chunk, Direction


class Rng(Protocol):
    """Randomness, as `chaos.seeds` gives it."""

    def random(self) -> float:
        """From 0 up to, not including, 1."""
        ...

    def randrange(self, start: int, stop: int, /) -> int:
        """From `start` up to, not including, `stop`."""
        ...


class Stub(Protocol):
    """A toxic's view of the connection that it disturbs."""

    rng: Rng
    """Randomness of its own, from the server's seed."""
    passed_bytes: int
    """Bytes passed on since the toxic was added; an update does not reset it."""

    def now(self) -> float:
        """Seconds of the monotonic clock, as in `Chunk.at`."""
        ...

    def __aiter__(self) -> AsyncIterator[Chunk]:
        """All chunks until the stream ends."""
        ...

    async def take(self, within_s: float | None = None) -> Chunk | None:
        """The next chunk; None when the stream has ended, or nothing came within `within_s` seconds."""
        ...

    async def wait(self, seconds: float) -> bool:
        """Let `seconds` pass; True when cut short because the toxic is being changed or removed."""
        ...

    async def wait_until(self, moment: float) -> bool:
        """As `wait`, until a `moment` of the monotonic clock in seconds."""
        ...

    def send(self, chunk: Chunk) -> None:
        """Pass a chunk on."""
        ...

    def close(self) -> None:
        """Close the connection, once what was sent before has been delivered."""
        ...

    def reset(self) -> None:
        """Break the connection off with a TCP RST."""
        ...


class Toxic(Protocol):
    """A frozen dataclass whose fields are its attributes: whole numbers that default to 0."""

    type: ClassVar[str]

    async def pipe(self, stub: Stub) -> None:
        """Take chunks and send them on, until the stream ends; to return before that closes the connection.

        When the toxic is changed or removed, every wait ends at once and says so: send what is held, whole.
        """
        ...


@runtime_checkable
class Buffered(Protocol):
    """A toxic that must not slow the source down takes in this many chunks before it does."""

    buffer_chunks: ClassVar[int]


@runtime_checkable
class Cleanup(Protocol):
    """A toxic that leaves its mark on the connections that it held."""

    def cleanup(self, stub: Stub) -> None:
        """Called when the toxic is removed."""
        ...


@runtime_checkable
class Checked(Protocol):
    """A toxic some of whose attributes make no sense."""

    def refusal(self) -> str | None:
        """Why these attributes cannot be, or None."""
        ...


@dataclass(slots=True)
class Placed:
    """A toxic with a name and a place; `stream` is as the client spelled it, `toxicity` a share of 1."""

    name: str
    type: str
    stream: str
    direction: Direction
    toxicity: float
    toxic: Toxic
