"""A registry whose calls are measured, since MLflow's server does not say what it takes itself."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TypeVar

from reference_stack.ports import ModelVersion, Registry
from reference_stack.registry import served
from reference_stack.runtime import WAITED, monotonic
from reference_stack.shells.tracing import Tracer

T = TypeVar("T")


class TracedRegistry:
    """Implements ports.Registry over another one. Operations are named as in virtual time."""

    def __init__(self, registry: Registry, link: str, tracer: Tracer) -> None:
        self._registry = registry
        self._link = link
        self._tracer = tracer

    async def register(
        self,
        *,
        artifact: bytes,
        parameters: dict[str, str],
        metrics: dict[str, float],
        tags: dict[str, str],
    ) -> ModelVersion:
        """Log a run with its artifact and register it. Raises Rejected where tags lack lineage."""
        work = self._registry.register(artifact=artifact, parameters=parameters, metrics=metrics, tags=tags)
        return await self._timed(served.REGISTER.name, work)

    async def version(self, version: int) -> ModelVersion:
        """One version. Raises NotFound."""
        return await self._timed(served.VERSION.name, self._registry.version(version))

    async def versions(self) -> Sequence[ModelVersion]:
        """All versions, oldest first."""
        return await self._timed(served.VERSIONS.name, self._registry.versions())

    async def resolve(self, alias: str) -> int | None:
        """The version that an alias names, or None."""
        return await self._timed(served.RESOLVE.name, self._registry.resolve(alias))

    async def set_alias(self, alias: str, version: int) -> None:
        """Flip an alias. Raises NotFound when there is no such version."""
        await self._timed(served.SET_ALIAS.name, self._registry.set_alias(alias, version))

    async def drop_alias(self, alias: str) -> None:
        """Remove an alias; no error if it is not there."""
        await self._timed(served.DROP_ALIAS.name, self._registry.drop_alias(alias))

    async def artifact(self, version: int) -> bytes:
        """The model's bytes. Raises NotFound."""
        return await self._timed(served.ARTIFACT.name, self._registry.artifact(version))

    async def _timed(self, operation: str, work: Awaitable[T]) -> T:
        key = f"{self._link}/{operation}"
        wanted = self._tracer.wanted(key)
        waited = WAITED.get()
        began = monotonic()
        try:
            reply = await work
        finally:
            took = monotonic() - began
            if waited is not None:
                waited.seconds += took
        if wanted:
            self._tracer.called(key, 1000 * took, None)
        return reply
