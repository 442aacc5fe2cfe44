"""One contract, held by every registry: what is written through one side is read through the other."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reference_stack.component import operations_of
from reference_stack.folders import MemoryFolder
from reference_stack.ports import ModelVersion, NotFound, Registry, RegistryReader, Rejected
from reference_stack.registry.memory import MemoryRegistry
from reference_stack.registry.rest import RestRegistry
from reference_stack.registry.served import PortRegistry, RegistryService
from reference_stack.telemetry import Telemetry

from .conftest import InlineRuntime, Server

Scenario = Callable[[Registry, RegistryReader], Awaitable[None]]

TAGS = {"snapshot": "s-7", "trained_day": "7.0", "partitions": '[{"partition_day": 6}]', "note": "a: b/c"}


@pytest.fixture(scope="module")
def address(new_server: Callable[..., Server]) -> str:
    server = new_server()
    server.start()
    return server.address


@pytest.fixture(
    params=[
        "memory",
        "served",
        pytest.param("rest", marks=pytest.mark.processes),
    ]
)
def hold(request: pytest.FixtureRequest) -> Callable[[Scenario], None]:
    """Runs a scenario with a registry to write to and one to read from."""

    async def run(scenario: Scenario) -> None:
        if request.param == "memory":
            folder = MemoryFolder()
            await scenario(MemoryRegistry(folder, lambda: 3.5), MemoryRegistry(folder, lambda: 9.0))
            return
        if request.param == "served":
            folder = MemoryFolder()
            await scenario(
                served(MemoryRegistry(folder, lambda: 3.5)), served(MemoryRegistry(folder, lambda: 9.0))
            )
            return
        address = request.getfixturevalue("address")
        writer, reader = RestRegistry(address), RestRegistry(address)
        try:
            await scenario(writer, reader)
        finally:
            await writer.close()
            await reader.close()

    return lambda scenario: asyncio.run(run(scenario))


def served(registry: Registry) -> PortRegistry:
    """The registry behind its operations; each message is encoded on the way."""
    service = RegistryService(
        InlineRuntime(), Telemetry("registry", InlineRuntime(), lambda _: None), {}, "b1", registry=registry
    )

    class Direct:
        async def call(self, operation: Any, request: Any, *, timeout_ms: float) -> Any:
            asked = msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=operation.request)
            return await operations_of(service)[operation.name][1](asked)

    return PortRegistry(Direct())


async def register(registry: Registry, artifact: bytes = b"model", **tags: str) -> ModelVersion:
    return await registry.register(
        artifact=artifact,
        parameters={"rank": "8", "ridge": "10.0"},
        metrics={"ndcg": 0.25, "z_popularity": 9.5, "broken": float("nan")},
        tags={**TAGS, **tags},
    )


def test_a_registered_version_is_read_with_its_lineage(hold: Any) -> None:
    async def scenario(writer: Registry, reader: RegistryReader) -> None:
        artifact = bytes(range(256)) * 700
        made = await register(writer, artifact)
        assert made.tags == TAGS
        assert (made.snapshot, made.trained_day) == ("s-7", 7.0)
        assert made.sha256 == hashlib.sha256(artifact).hexdigest()
        assert made.run
        assert await reader.version(made.version) == made
        assert (await reader.versions())[-1] == made
        assert await reader.artifact(made.version) == artifact

    hold(scenario)


def test_versions_count_up_and_come_oldest_first(hold: Any) -> None:
    async def scenario(writer: Registry, reader: RegistryReader) -> None:
        before = [each.version for each in await reader.versions()]
        made = [(await register(writer, note=f"n{n}")).version for n in range(3)]
        newest = max(before, default=0)
        assert made == [newest + 1, newest + 2, newest + 3]
        found = await reader.versions()
        assert [each.version for each in found] == before + made
        assert [each.tags["note"] for each in found[-3:]] == ["n0", "n1", "n2"]
        assert len({each.run for each in found}) == len(found)

    hold(scenario)


def test_an_alias_names_one_version_flips_and_goes(hold: Any) -> None:
    async def scenario(writer: Registry, reader: RegistryReader) -> None:
        first, second = await register(writer), await register(writer)
        await writer.drop_alias("champion")
        assert await reader.resolve("champion") is None
        await writer.set_alias("champion", first.version)
        await writer.set_alias("challenger", second.version)
        assert await reader.resolve("champion") == first.version
        assert await reader.resolve("challenger") == second.version
        await writer.set_alias("champion", second.version)
        assert await reader.resolve("champion") == second.version
        await writer.drop_alias("champion")
        await writer.drop_alias("champion")
        assert await reader.resolve("champion") is None
        assert await reader.resolve("challenger") == second.version

    hold(scenario)


def test_what_is_not_there_is_not_found(hold: Any) -> None:
    async def scenario(writer: Registry, reader: RegistryReader) -> None:
        await register(writer)
        await writer.set_alias("champion", 1)
        for missing in (reader.version(9999), reader.artifact(9999), writer.set_alias("champion", 9999)):
            with pytest.raises(NotFound):
                await missing
        assert await reader.resolve("champion") == 1

    hold(scenario)


@pytest.mark.parametrize("alias", ["", "latest", "v3", "a b"])
def test_names_that_mlflow_keeps_for_itself_are_rejected(hold: Any, alias: str) -> None:
    async def scenario(writer: Registry, reader: RegistryReader) -> None:
        with pytest.raises(Rejected):
            await writer.set_alias(alias, 1)
        with pytest.raises(Rejected):
            await reader.resolve(alias)

    hold(scenario)


@pytest.mark.parametrize(
    "tags",
    [
        {"trained_day": "1.0"},
        {"snapshot": "s"},
        {"snapshot": "s", "trained_day": "monday"},
        {"snapshot": "s", "trained_day": "1", "sha256": "0"},
    ],
)
def test_a_version_without_lineage_is_rejected_and_leaves_nothing(hold: Any, tags: dict[str, str]) -> None:
    async def scenario(writer: Registry, reader: RegistryReader) -> None:
        before = await reader.versions()
        with pytest.raises(Rejected):
            await writer.register(artifact=b"", parameters={}, metrics={}, tags=tags)
        assert await reader.versions() == before

    hold(scenario)


def test_a_run_may_log_nothing_and_an_artifact_may_be_empty(hold: Any) -> None:
    async def scenario(writer: Registry, reader: RegistryReader) -> None:
        made = await writer.register(artifact=b"", parameters={}, metrics={}, tags=TAGS)
        assert await reader.artifact(made.version) == b""

    hold(scenario)


def test_memory_state_is_in_its_folder_alone(tmp_path: Path) -> None:
    async def twice() -> list[dict[str, bytes]]:
        folders = (MemoryFolder(), MemoryFolder())
        for folder in folders:
            await register(MemoryRegistry(folder, lambda: 1.0))
            # Another life of the component goes on where the first one stopped.
            again = MemoryRegistry(folder, lambda: 2.0)
            await register(again)
            await again.set_alias("champion", 2)
        return [{name: folder.read(name) for name in folder.list()} for folder in folders]

    first, second = asyncio.run(twice())
    assert first == second
    assert sorted(first) == [
        "aliases.json",
        "artifacts/000001.bin",
        "artifacts/000002.bin",
        "versions/000001.json",
        "versions/000002.json",
    ]


def test_memory_lost_artifact_is_not_found() -> None:
    async def scenario() -> None:
        folder = MemoryFolder()
        registry = MemoryRegistry(folder, lambda: 1.0)
        await register(registry)
        folder.delete("artifacts/000001.bin")
        with pytest.raises(NotFound):
            await registry.artifact(1)

    asyncio.run(scenario())
