"""A registry without a server. Its state is the files of a folder, so it outlives a killed component.

versions/000001.json    a LoggedVersion
artifacts/000001.bin    the model's bytes
aliases.json            {alias: version}
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import msgspec

from reference_stack.ports import Folder, ModelVersion, NotFound
from reference_stack.registry.naming import SHA256_TAG, as_version, check_alias, check_tags, digest

_ALIASES = "aliases.json"
_VERSIONS = "versions/"
_decode_aliases = msgspec.json.Decoder(dict[str, int]).decode


class LoggedVersion(msgspec.Struct, frozen=True):
    """A registered version with what its run logged, and the day on which that was."""

    registered: ModelVersion
    logged_day: float
    parameters: dict[str, str]
    metrics: dict[str, float | None]
    """None is a figure that was not finite."""


class Export(msgspec.Struct, frozen=True):
    """All that a registry holds; `artifacts` in the order of `versions`."""

    versions: list[LoggedVersion]
    artifacts: list[bytes]
    aliases: dict[str, int]


class MemoryRegistry:
    """Implements ports.Registry over a folder; run ids follow from version numbers.

    Nothing is cached, so what happens to the folder is seen at once; one call costs microseconds.
    """

    def __init__(self, folder: Folder, day: Callable[[], float]) -> None:
        self._folder = folder
        self._day = day

    async def register(
        self,
        *,
        artifact: bytes,
        parameters: dict[str, str],
        metrics: dict[str, float],
        tags: dict[str, str],
    ) -> ModelVersion:
        """Log a run with its artifact and register it. Raises Rejected where tags lack lineage."""
        check_tags(tags)
        names = self._folder.list(_VERSIONS)
        number = int(names[-1][len(_VERSIONS) : -len(".json")]) + 1 if names else 1
        registered = as_version(number, run_id(number), {**tags, SHA256_TAG: digest(artifact)})
        logged = LoggedVersion(
            registered=registered, logged_day=self._day(), parameters=dict(parameters), metrics={**metrics}
        )
        # The artifact first: a version that can be seen can be fetched.
        self._folder.write(_artifact(number), artifact)
        self._folder.write(_version(number), msgspec.json.encode(logged))
        return registered

    async def version(self, version: int) -> ModelVersion:
        """One version. Raises NotFound."""
        return self._logged(_version(version)).registered

    async def versions(self) -> Sequence[ModelVersion]:
        """All versions, oldest first."""
        return [self._logged(name).registered for name in self._folder.list(_VERSIONS)]

    async def resolve(self, alias: str) -> int | None:
        """The version that an alias names, or None."""
        check_alias(alias)
        return self._aliases().get(alias)

    async def set_alias(self, alias: str, version: int) -> None:
        """Flip an alias. Raises NotFound when there is no such version."""
        check_alias(alias)
        if not self._folder.exists(_version(version)):
            raise NotFound(f"no version {version}")
        self._write_aliases({**self._aliases(), alias: version})

    async def drop_alias(self, alias: str) -> None:
        """Remove an alias; no error if it is not there."""
        check_alias(alias)
        aliases = self._aliases()
        if aliases.pop(alias, None) is not None:
            self._write_aliases(aliases)

    async def artifact(self, version: int) -> bytes:
        """The model's bytes. Raises NotFound."""
        try:
            return self._folder.read(_artifact(version))
        except FileNotFoundError as error:
            raise NotFound(f"no artifact of version {version}") from error

    def export(self) -> Export:
        """All versions with their runs, artifacts and aliases. Raises NotFound if an artifact is gone."""
        versions = [self._logged(name) for name in self._folder.list(_VERSIONS)]
        try:
            artifacts = [self._folder.read(_artifact(each.registered.version)) for each in versions]
        except FileNotFoundError as error:
            raise NotFound(f"an artifact is gone: {error}") from error
        return Export(versions=versions, artifacts=artifacts, aliases=self._aliases())

    def _logged(self, name: str) -> LoggedVersion:
        try:
            return msgspec.json.decode(self._folder.read(name), type=LoggedVersion)
        except FileNotFoundError as error:
            raise NotFound(f"no {name}") from error

    def _aliases(self) -> dict[str, int]:
        try:
            return _decode_aliases(self._folder.read(_ALIASES))
        except FileNotFoundError:
            return {}

    def _write_aliases(self, aliases: dict[str, int]) -> None:
        self._folder.write(_ALIASES, msgspec.json.encode(aliases, order="deterministic"))


def run_id(version: int) -> str:
    """The run id of a version: 32 hex digits like MLflow's, the same in every process."""
    return hashlib.blake2b(f"run {version}".encode(), digest_size=16).hexdigest()


def _version(version: int) -> str:
    return f"{_VERSIONS}{version:06d}.json"


def _artifact(version: int) -> str:
    return f"artifacts/{version:06d}.bin"
