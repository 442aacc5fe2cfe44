from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reference_stack.folders import MemoryFolder
from reference_stack.ports import ModelVersion, NotFound, PortError, TimedOut, Unreachable
from reference_stack.registry.memory import MemoryRegistry
from reference_stack.registry.rest import RestRegistry
from reference_stack.registry.seeding import seed_store

from .conftest import Server, free_port

TAGS = {"snapshot": "s", "trained_day": "-3.0"}


async def register(server: Server, artifact: bytes = b"", **more: dict[str, Any]) -> ModelVersion:
    registry = RestRegistry(server.address)
    try:
        made = {"parameters": {}, "metrics": {}, "tags": TAGS, **more}
        return await registry.register(artifact=artifact, **made)
    finally:
        await registry.close()


async def set_alias(server: Server, alias: str, version: int) -> None:
    registry = RestRegistry(server.address)
    try:
        await registry.set_alias(alias, version)
    finally:
        await registry.close()


async def read(server: Server) -> tuple[list[int], int | None, list[bytes]]:
    reader = RestRegistry(server.address)
    try:
        versions = [each.version for each in await reader.versions()]
        return versions, await reader.resolve("champion"), [await reader.artifact(v) for v in versions]
    finally:
        await reader.close()


async def error_of(address: str, timeout_ms: float = 500.0) -> type[PortError]:
    reader = RestRegistry(address, timeout_ms=timeout_ms)
    try:
        with pytest.raises(PortError) as caught:
            await reader.resolve("champion")
        return caught.type
    finally:
        await reader.close()


@pytest.mark.processes
def test_a_new_registry_is_empty_and_outlives_sigkill(new_server: Callable[..., Server]) -> None:
    server = new_server()
    server.start()
    assert asyncio.run(read(server)) == ([], None, [])

    assert asyncio.run(register(server, b"one")).version == 1
    asyncio.run(set_alias(server, "champion", 1))
    server.end(signal.SIGKILL)
    assert asyncio.run(error_of(server.address)) is Unreachable

    server.start()
    assert asyncio.run(read(server)) == ([1], 1, [b"one"])
    assert asyncio.run(register(server, b"two")).version == 2


@pytest.mark.processes
def test_a_registry_whose_database_is_deleted_starts_empty(new_server: Callable[..., Server]) -> None:
    server = new_server()
    server.start()
    asyncio.run(register(server))
    server.end(signal.SIGKILL)
    # The write-ahead log stays behind, as it does when only the database is removed.
    (server.root / "registry" / "mlflow.db").unlink()
    server.start()
    assert asyncio.run(read(server)) == ([], None, [])
    assert asyncio.run(register(server, b"x")).version == 1


@pytest.mark.processes
def test_a_version_is_an_ordinary_mlflow_version(new_server: Callable[..., Server]) -> None:
    from mlflow.tracking import MlflowClient

    server = new_server()
    server.start()
    made = asyncio.run(register(server, b"a", parameters={"rank": "8"}, metrics={"ndcg": 0.5}))
    client = MlflowClient(f"http://{server.address}")
    run = client.get_run(made.run)
    version = client.get_model_version("recommender", "1")
    assert (run.data.params, run.data.metrics) == ({"rank": "8"}, {"ndcg": 0.5})
    assert run.info.status == "FINISHED"
    assert client.get_experiment(run.info.experiment_id).name == "k9s"
    assert version.run_id == made.run
    assert version.source == f"{run.info.artifact_uri}/model"
    assert [each.path for each in client.list_artifacts(made.run, "model")] == ["model/model.bin"]


@pytest.mark.processes
def test_only_hosts_of_the_stack_are_answered(new_server: Callable[..., Server]) -> None:
    server = new_server()
    server.start()
    url = f"http://{server.address}/api/2.0/mlflow/experiments/get?experiment_id=0"

    def status(host: str) -> int:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers={"Host": host}), timeout=5) as ok:
                return int(ok.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    assert status("localhost:7777") == 200
    assert status("127.0.0.1:1") == 200
    assert status("elsewhere.example") == 403


@pytest.mark.processes
def test_a_stuck_server_times_out(new_server: Callable[..., Server]) -> None:
    server = new_server()
    server.start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        assert asyncio.run(error_of(server.address)) is TimedOut
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_a_dead_server_is_unreachable_at_once() -> None:
    port = free_port()
    began = time.monotonic()
    assert asyncio.run(error_of(f"127.0.0.1:{port}")) is Unreachable
    assert time.monotonic() - began < 2.0


def test_a_server_that_hangs_up_is_unreachable() -> None:
    async def scenario() -> None:
        async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            assert await error_of(f"127.0.0.1:{port}") is Unreachable

    asyncio.run(scenario())


@pytest.mark.processes
def test_a_warm_up_becomes_a_live_registry(new_server: Callable[..., Server], template_cache: Path) -> None:
    memory = MemoryRegistry(MemoryFolder(), lambda: -4.0)

    async def live_through() -> None:
        for day in range(-4, 0):
            await memory.register(
                artifact=f"model {day}".encode() * 9,
                parameters={"rank": "8"},
                metrics={"ndcg": 0.3, "z_champion": float("nan")},
                tags={"snapshot": f"s{day}", "trained_day": str(float(day)), "code": "2026.1"},
            )
        await memory.set_alias("champion", 4)
        await memory.set_alias("previous", 3)

    asyncio.run(live_through())
    server = new_server()
    seed_store(server.root, memory.export(), template_cache / "mlchaos" / "registry")
    with pytest.raises(FileExistsError):
        seed_store(server.root, memory.export(), template_cache / "mlchaos" / "registry")
    server.start()

    async def compare() -> None:
        reader = RestRegistry(server.address)
        try:
            seeded, warm = await reader.versions(), await memory.versions()
            for one, other in zip(seeded, warm, strict=True):
                assert (one.version, one.tags, one.sha256) == (other.version, other.tags, other.sha256)
                assert await reader.artifact(one.version) == await memory.artifact(other.version)
            assert await reader.resolve("champion") == 4
            assert await reader.resolve("previous") == 3
            with pytest.raises(NotFound):
                await reader.version(5)
        finally:
            await reader.close()

    asyncio.run(compare())
    assert asyncio.run(register(server)).version == 5


@pytest.mark.processes
def test_a_copied_registry_is_another_registry(new_server: Callable[..., Server], tmp_path: Path) -> None:
    first = new_server()
    first.start()
    asyncio.run(register(first, b"one"))
    first.end(signal.SIGTERM)
    shutil.copytree(first.root, tmp_path / "copy")
    second = new_server(tmp_path / "copy")
    second.start()
    asyncio.run(register(second, b"two"))
    second.end(signal.SIGTERM)
    first.start()
    assert asyncio.run(read(first))[2] == [b"one"]


def test_numbers_with_gaps_cannot_be_seeded(tmp_path: Path) -> None:
    folder = MemoryFolder()
    memory = MemoryRegistry(folder, lambda: 0.0)
    for _ in range(2):
        asyncio.run(memory.register(artifact=b"", parameters={}, metrics={}, tags=TAGS))
    folder.delete("versions/000001.json")
    with pytest.raises(ValueError, match="without gaps"):
        seed_store(tmp_path, memory.export())
    assert list(tmp_path.iterdir()) == []
