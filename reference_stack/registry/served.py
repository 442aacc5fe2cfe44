"""The registry as a component with operations, and its clients: how virtual time has a registry behind links.

Live, MLflow's own server stands in this place, and its clients speak MLflow's protocol.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from reference_stack.component import Component, serves
from reference_stack.messages import Empty
from reference_stack.ports import ModelVersion, Operation, Port, Registry, Runtime
from reference_stack.settings import LayerSettings
from reference_stack.telemetry import Telemetry


class RegistrySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing to set."""


class RegisterRequest(msgspec.Struct, frozen=True):
    """Log a run and register its artifact."""

    artifact: bytes
    parameters: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]


class VersionRequest(msgspec.Struct, frozen=True):
    """Ask for one version or its artifact."""

    version: int


class VersionsReply(msgspec.Struct, frozen=True):
    """All versions, oldest first."""

    versions: list[ModelVersion]


class AliasRequest(msgspec.Struct, frozen=True):
    """Ask what an alias names, or drop it."""

    alias: str


class AliasReply(msgspec.Struct, frozen=True):
    """What an alias names."""

    version: int | None


class SetAliasRequest(msgspec.Struct, frozen=True):
    """Flip an alias."""

    alias: str
    version: int


class ArtifactReply(msgspec.Struct, frozen=True):
    """A model's bytes."""

    artifact: bytes


REGISTER = Operation("register", RegisterRequest, ModelVersion)
VERSION = Operation("version", VersionRequest, ModelVersion)
VERSIONS = Operation("versions", Empty, VersionsReply)
RESOLVE = Operation("resolve", AliasRequest, AliasReply)
SET_ALIAS = Operation("set_alias", SetAliasRequest, Empty)
DROP_ALIAS = Operation("drop_alias", AliasRequest, Empty)
ARTIFACT = Operation("artifact", VersionRequest, ArtifactReply)


class RegistryService(Component[RegistrySettings]):
    """Answers for a registry, which it holds itself."""

    def __init__(
        self,
        runtime: Runtime,
        telemetry: Telemetry,
        layers: dict[str, LayerSettings],
        build: str,
        *,
        registry: Registry,
    ) -> None:
        super().__init__("registry", runtime, telemetry, RegistrySettings(), layers, build)
        self._registry = registry

    @serves(REGISTER)
    async def register(self, request: RegisterRequest) -> ModelVersion:
        """Log a run with its artifact and register it. Raises Rejected where tags lack lineage."""
        return await self._registry.register(
            artifact=request.artifact,
            parameters=request.parameters,
            metrics=request.metrics,
            tags=request.tags,
        )

    @serves(VERSION)
    async def version(self, request: VersionRequest) -> ModelVersion:
        """One version. Raises NotFound."""
        return await self._registry.version(request.version)

    @serves(VERSIONS)
    async def versions(self, _request: Empty) -> VersionsReply:
        """All versions."""
        return VersionsReply(versions=list(await self._registry.versions()))

    @serves(RESOLVE)
    async def resolve(self, request: AliasRequest) -> AliasReply:
        """What an alias names."""
        return AliasReply(version=await self._registry.resolve(request.alias))

    @serves(SET_ALIAS)
    async def set_alias(self, request: SetAliasRequest) -> Empty:
        """Flip an alias. Raises NotFound."""
        await self._registry.set_alias(request.alias, request.version)
        return Empty()

    @serves(DROP_ALIAS)
    async def drop_alias(self, request: AliasRequest) -> Empty:
        """Remove an alias."""
        await self._registry.drop_alias(request.alias)
        return Empty()

    @serves(ARTIFACT)
    async def artifact(self, request: VersionRequest) -> ArtifactReply:
        """The model's bytes. Raises NotFound."""
        return ArtifactReply(artifact=await self._registry.artifact(request.version))


class PortRegistry:
    """Implements ports.Registry over a link to a RegistryService; every call ends within `timeout_ms`."""

    def __init__(self, port: Port, *, timeout_ms: float = 2000.0) -> None:
        self._port = port
        self._timeout_ms = timeout_ms

    async def register(
        self,
        *,
        artifact: bytes,
        parameters: dict[str, str],
        metrics: dict[str, float],
        tags: dict[str, str],
    ) -> ModelVersion:
        """Log a run with its artifact and register it."""
        request = RegisterRequest(artifact, parameters, metrics, tags)
        return await self._port.call(REGISTER, request, timeout_ms=self._timeout_ms)

    async def version(self, version: int) -> ModelVersion:
        """One version. Raises NotFound."""
        return await self._port.call(VERSION, VersionRequest(version), timeout_ms=self._timeout_ms)

    async def versions(self) -> Sequence[ModelVersion]:
        """All versions, oldest first."""
        return (await self._port.call(VERSIONS, Empty(), timeout_ms=self._timeout_ms)).versions

    async def resolve(self, alias: str) -> int | None:
        """The version that an alias names, or None."""
        return (await self._port.call(RESOLVE, AliasRequest(alias), timeout_ms=self._timeout_ms)).version

    async def set_alias(self, alias: str, version: int) -> None:
        """Flip an alias. Raises NotFound when there is no such version."""
        await self._port.call(SET_ALIAS, SetAliasRequest(alias, version), timeout_ms=self._timeout_ms)

    async def drop_alias(self, alias: str) -> None:
        """Remove an alias; no error if it is not there."""
        await self._port.call(DROP_ALIAS, AliasRequest(alias), timeout_ms=self._timeout_ms)

    async def artifact(self, version: int) -> bytes:
        """The model's bytes. Raises NotFound."""
        reply = await self._port.call(ARTIFACT, VersionRequest(version), timeout_ms=self._timeout_ms)
        return reply.artifact
