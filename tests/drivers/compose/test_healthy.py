"""The look at a container's health, at the servers that are looked at so."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Iterator

import pytest

from chaos.clock import WallClock
from chaos.proxies.data.server import DataProxy, make_server
from chaos.proxies.door.server import Door
from tests.command import REPOSITORY

HEALTHY = REPOSITORY / "deploy" / "healthy"


@pytest.fixture
def port() -> Iterator[str]:
    server = make_server(DataProxy(WallClock()), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield str(server.server_address[1])
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("words", "healthy"),
    [
        (("/version", "version"), True),
        (("/version", "something else"), False),
        (("/nowhere", ""), False),
    ],
)
def test_the_data_proxy_is_healthy_where_it_answers(port: str, words: tuple[str, str], healthy: bool) -> None:
    done = subprocess.run([HEALTHY, *words, port], capture_output=True, timeout=10, check=False)
    assert (done.returncode == 0) is healthy


def test_nobody_there_is_not_healthy() -> None:
    done = subprocess.run([HEALTHY, "/version", "", "1"], capture_output=True, timeout=10, check=False)
    assert done.returncode == 1


def test_the_door_is_healthy_where_it_tells_the_time() -> None:
    async def look() -> int:
        door = Door([], {}, WallClock())
        port = await door.start("127.0.0.1", 0)
        asked = await asyncio.create_subprocess_exec(HEALTHY, "/clock", "monotonic", str(port))
        code = await asyncio.wait_for(asked.wait(), 10)
        await door.close()
        return code

    assert asyncio.run(look()) == 0
