"""What a component is given: a runtime, ports to other components, folders and a registry.

A component is a plain class. It holds no HTTP, no clock, no sleep and no client of its own, so the same
class runs as a process and inside the virtual loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import msgspec

Request = TypeVar("Request", bound=msgspec.Struct)
Reply = TypeVar("Reply", bound=msgspec.Struct)
T = TypeVar("T")


@dataclass(frozen=True)
class Operation(Generic[Request, Reply]):
    """One thing a component does for others: its name is also its path."""

    name: str
    request: type[Request]
    reply: type[Reply]


class PortError(Exception):
    """A call that brought no reply."""


class Unreachable(PortError):
    """Nobody answers at the other end, or the connection broke."""


class TimedOut(PortError):
    """No reply within the caller's timeout; the other end may still be at work."""


class Overloaded(PortError):
    """The other end's queue is full (429)."""


class Rejected(PortError, ValueError):
    """The other end says that the request itself is wrong (400)."""


class NotFound(PortError):
    """The other end has no such thing (404)."""


class Failed(PortError):
    """The other end broke while it worked (500)."""


class Port(Protocol):
    """A link to another component."""

    def call(
        self, operation: Operation[Request, Reply], request: Request, *, timeout_ms: float
    ) -> Awaitable[Reply]:
        """Ask; awaited, the reply.

        Raises a PortError then: Unreachable, TimedOut, Overloaded, Rejected, NotFound or Failed.
        """
        ...


class Task(Protocol):
    """Work that goes on by itself."""

    def cancel(self) -> object:
        """Stop the work at its next wait."""
        ...

    def done(self) -> bool:
        """Whether the work has ended."""
        ...


class Semaphore(Protocol):
    """A number of permits; waiters are served first in, first out."""

    async def acquire(self) -> object:
        """Wait for a permit and take it."""
        ...

    def release(self) -> None:
        """Give a permit back."""
        ...

    def locked(self) -> bool:
        """Whether no permit is free."""
        ...


class Runtime(Protocol):
    """Time and concurrency. Operational time is in seconds, the calendar in days since the start."""

    @property
    def day_seconds(self) -> float:
        """The pace: operational seconds in a calendar day."""
        ...

    def now(self) -> float:
        """Operational seconds since the start."""
        ...

    def day(self) -> float:
        """The calendar: days since the scenario's start, negative during the warm-up."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let operational `seconds` pass."""
        ...

    def move_clock(self, ahead_days: float) -> None:
        """Set the calendar so far ahead of the true one. Timers that are set already stay as they are."""
        ...

    def until(self, day: float) -> Awaitable[None]:
        """Wait for a moment of the calendar; returns at once if it is past."""
        ...

    async def timeout(self, seconds: float, work: Awaitable[T]) -> T:
        """Wait for `work` for `seconds` at most, else cancel it and raise TimeoutError."""
        ...

    def semaphore(self, permits: int) -> Semaphore:
        """A semaphore with `permits` permits."""
        ...

    def spawn(self, work: Coroutine[Any, Any, object]) -> Task:
        """Start work that outlives the caller; it ends with the component."""
        ...

    async def blocking(self, work: Callable[[], T], what: str) -> T:
        """Run work that computes or does I/O without stopping everything else.

        `what`, as in `trainer.fit`, is the name of its cost in virtual time (`costs.py`).
        """
        ...


class Folder(Protocol):
    """Durable storage that survives a killed component. Names are relative paths with `/`."""

    def write(self, name: str, data: bytes) -> None:
        """Put a whole file in place at once: a reader sees the old or the new one."""
        ...

    def append(self, name: str, data: bytes) -> None:
        """Add to the end of a file; it is durable against the death of the process on return."""
        ...

    def read(self, name: str) -> bytes:
        """The whole file. Raises FileNotFoundError."""
        ...

    def exists(self, name: str) -> bool:
        """Whether the file is there."""
        ...

    def list(self, prefix: str = "") -> Sequence[str]:
        """Sorted names that start with `prefix`; files under way are not shown."""
        ...

    def delete(self, name: str) -> None:
        """Remove a file; no error if it is not there."""
        ...


class ModelVersion(msgspec.Struct, frozen=True):
    """One registered version with its lineage."""

    version: int
    run: str
    snapshot: str
    trained_day: float
    sha256: str
    tags: dict[str, str] = {}


class RegistryReader(Protocol):
    """What serving needs of the model registry. Every call may raise a PortError."""

    async def version(self, version: int) -> ModelVersion:
        """One version. Raises NotFound."""
        ...

    async def versions(self) -> Sequence[ModelVersion]:
        """All versions, oldest first."""
        ...

    async def resolve(self, alias: str) -> int | None:
        """The version that an alias names, or None."""
        ...

    async def artifact(self, version: int) -> bytes:
        """The model's bytes. Raises NotFound."""
        ...


class Registry(RegistryReader, Protocol):
    """The model registry: two implementations, MLflow and in-memory, held to one conformance test.

    Every call may raise a PortError.
    """

    async def register(
        self,
        *,
        artifact: bytes,
        parameters: dict[str, str],
        metrics: dict[str, float],
        tags: dict[str, str],
    ) -> ModelVersion:
        """Log a run with its artifact and register it. Tags carry `snapshot` and `trained_day`."""
        ...

    async def set_alias(self, alias: str, version: int) -> None:
        """Flip an alias. Raises NotFound when there is no such version."""
        ...

    async def drop_alias(self, alias: str) -> None:
        """Remove an alias; no error if it is not there."""
        ...
