"""The versions that a replica holds: kept current with the registry's aliases, and with it away."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import msgspec

from reference_stack.arrays import DamagedBytes
from reference_stack.exclusive import holding
from reference_stack.messages import PartitionCheck
from reference_stack.patience import patiently
from reference_stack.ports import Folder, ModelVersion, NotFound, PortError, RegistryReader, Runtime
from reference_stack.serving.ranking import Ranking
from reference_stack.telemetry import Telemetry
from reference_stack.trainer.model import Model
from reference_stack.world import Catalogue

_KEPT = 3
_LOAD = "serving.load"


class _Stored(msgspec.Struct, frozen=True):
    """The last champion, as it lies on disk."""

    version: ModelVersion
    artifact: bytes


@dataclass(frozen=True)
class _Loaded:
    stored: _Stored
    model: Model


class Versions:
    """Champion and challenger of one replica.

    A version that cannot be reached or read, or does not fit the catalogue, leaves the one before in its
    place: what a replica once loaded it goes on serving, for as long as it lives.
    """

    def __init__(
        self,
        replica: str,
        runtime: Runtime,
        telemetry: Telemetry,
        registry: RegistryReader,
        folder: Folder,
        catalogue: Catalogue,
    ) -> None:
        self.attempted = False
        """Whether the registry has been asked once."""
        self.confirmed = False
        """Whether the champion that answers is one that the registry has named."""
        self.cause = "NotLoaded"
        """Why there is no champion: the error's name."""
        self._file = f"models/{replica}.msgpack"
        self._runtime = runtime
        self._telemetry = telemetry
        self._registry = registry
        self._folder = folder
        self._catalogue = catalogue
        self._one_at_a_time = runtime.semaphore(1)
        self._loaded: dict[int, _Loaded] = {}
        self._serving: dict[str, Ranking] = {}
        self._refused: dict[int, str] = {}

    def ranking(self, alias: str) -> Ranking | None:
        """The version under an alias, ready for today; None if none was ever loaded."""
        ranking = self._serving.get(alias)
        if ranking is None:
            return None
        today = math.floor(self._runtime.day())
        if ranking.day != today:
            ranking = Ranking(ranking.version, ranking.model, self._catalogue, today)
            self._serving[alias] = ranking
        return ranking

    async def first(self) -> None:
        """Ask the registry if nobody has yet; wait if somebody is about to."""
        async with holding(self._one_at_a_time):
            if not self.attempted:
                await self._follow_all(challenger=False)

    async def refresh(self, *, challenger: bool) -> bool:
        """Follow the aliases; whether the registry answered. One that is away changes nothing."""
        async with holding(self._one_at_a_time):
            return await self._follow_all(challenger=challenger)

    async def prepare(self, *, challenger: bool) -> None:
        """Follow the aliases, with patience for a registry that comes up at the same time."""
        await patiently(self._runtime, partial(self.refresh, challenger=challenger))

    def restore(self) -> Ranking | None:
        """Take the last champion from disk, for want of a better one."""
        if not self.stored():
            return None
        try:
            stored = msgspec.msgpack.decode(self._folder.read(self._file), type=_Stored)
            model = self._read(stored.artifact)
        except (DamagedBytes, msgspec.DecodeError) as error:
            self._telemetry.log("model_unusable", version=None, says=str(error))
            return None
        self._loaded[stored.version.version] = _Loaded(stored, model)
        self._put("champion", stored.version.version)
        self.confirmed = False
        return self.ranking("champion")

    def stored(self) -> bool:
        """Whether a champion lies on disk."""
        return self._folder.exists(self._file)

    async def lineage(self, version: int) -> ModelVersion:
        """What is known of a version that was served once. Raises a PortError."""
        name = f"lineage/{version}.json"
        if self._folder.exists(name):
            with suppress(msgspec.DecodeError):  # a version without its day does not come back from JSON
                return msgspec.json.decode(self._folder.read(name), type=ModelVersion)
        return await self._registry.version(version)

    async def model(self, version: int) -> Model:
        """A version's model, however old. Raises a PortError; NotFound for one that cannot be read."""
        loaded = self._loaded.get(version)
        if loaded is not None:
            return loaded.model
        artifact = await self._registry.artifact(version)
        try:
            return self._read(artifact)
        except DamagedBytes as error:
            raise NotFound(f"version {version} cannot be read: {error}") from error

    def _read(self, artifact: bytes) -> Model:
        """A model that can be served. Raises DamagedBytes, for one that does not fit the catalogue too."""
        model = Model.from_bytes(artifact)
        misfit = model.misfit(self._catalogue)
        if misfit:
            raise DamagedBytes(f"the model does not fit the catalogue: {misfit}")
        return model

    async def _follow_all(self, *, challenger: bool) -> bool:
        try:
            champion = await self._registry.resolve("champion")
            if champion is None:
                self.cause = "NoChampion"
            else:
                self.confirmed = await self._follow("champion", champion)
            rival = await self._registry.resolve("challenger") if challenger else None
            if rival is None:
                self._serving.pop("challenger", None)
            else:
                await self._follow("challenger", rival)
        except PortError as error:
            self.cause = type(error).__name__
            self._telemetry.metrics.set("registry_up", 0.0)
            self._telemetry.metrics.add("registry_errors_total")
            return False
        else:
            self._telemetry.metrics.set("registry_up", 1.0)
            return True
        finally:
            self.attempted = True

    async def _follow(self, alias: str, version: int) -> bool:
        """Have the version that an alias names answer; whether it does."""
        current = self._serving.get(alias)
        if current is not None and current.version.version == version:
            return True
        if version not in self._loaded:
            known = await self._registry.version(version)
            artifact = await self._registry.artifact(version)
            try:
                model = await self._runtime.blocking(lambda: self._read(artifact), _LOAD)
            except DamagedBytes as error:
                self._refuse(version, str(error))
                return False
            self._loaded[version] = _Loaded(_Stored(known, artifact), model)
            self._keep(f"lineage/{version}.json", msgspec.json.encode(known))
        stored = self._loaded[version].stored
        if alias == "champion":
            self._keep(self._file, msgspec.msgpack.encode(stored))
        self._put(alias, version)
        return True

    def _keep(self, name: str, data: bytes) -> None:
        """For later; a full disk is no reason not to serve what has been loaded."""
        try:
            self._folder.write(name, data)
        except OSError as error:
            self._telemetry.metrics.add("storage_errors_total")
            self._telemetry.log("storage_failed", what=name, says=str(error))

    def _refuse(self, version: int, says: str) -> None:
        self.cause = "DamagedBytes"
        self._telemetry.metrics.add("model_unusable_total")
        if self._refused.get(version) != says:
            self._refused[version] = says
            self._telemetry.log("model_unusable", version=version, says=says)

    def _put(self, alias: str, version: int) -> None:
        loaded = self._loaded[version]
        previous = self._serving.get(alias)
        today = int(self._runtime.day() // 1)
        self._serving[alias] = Ranking(loaded.stored.version, loaded.model, self._catalogue, today)
        self._telemetry.log(
            "serving",
            alias=alias,
            version=version,
            previous=None if previous is None else previous.version.version,
        )
        used = [ranking.version.version for ranking in self._serving.values()]
        for old in list(self._loaded):
            if len(self._loaded) > _KEPT and old not in used:
                del self._loaded[old]


def partitions_of(tags: dict[str, str]) -> dict[str, str]:
    """Partition days and their hashes from a version's tags; empty where the trainer noted none."""
    try:
        checks = msgspec.json.decode(tags.get("partitions", "[]"), type=list[PartitionCheck])
    except msgspec.DecodeError:
        return {}
    return {str(check.partition_day): check.sha256 for check in checks}
