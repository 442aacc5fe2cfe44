"""The door lets in to named neighbours, and to nobody else."""

from __future__ import annotations

import asyncio
import http.client
import socket
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from chaos.clock import WallClock
from chaos.drivers.local.http import HttpFailed, ask, request
from chaos.drivers.local.ports import free_addresses
from chaos.proxies.door.server import Door


class Neighbour(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body * 3)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Clock(msgspec.Struct):
    monotonic: float


@pytest.fixture
def neighbour() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Neighbour) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def forwarded() -> int:
    return int(free_addresses(["door"])["door"].rpartition(":")[2])


@pytest.fixture
def door(neighbour: int, forwarded: int) -> Iterator[str]:
    loop = asyncio.new_event_loop()
    server = Door(["127.0.0.1"], {forwarded: f"127.0.0.1:{neighbour}"}, WallClock())
    port = loop.run_until_complete(server.start("127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield f"127.0.0.1:{port}"

    async def close() -> None:
        await server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    asyncio.run_coroutine_threadsafe(close(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_a_neighbour_is_reached_by_its_own_name(door: str, neighbour: int) -> None:
    assert request(f"127.0.0.1:{neighbour}@{door}", "POST", "/", "x" * 100_000) == (
        3 * msgspec.json.encode("x" * 100_000)
    )


def test_a_forwarded_port_is_the_neighbour(door: str, forwarded: int) -> None:
    assert request(f"127.0.0.1:{forwarded}", "POST", "/", 7) == b"777"


@pytest.mark.parametrize("there", ["localhost:80", "10.0.0.1:80", "example.org:443"])
def test_nobody_else_is(door: str, there: str) -> None:
    with pytest.raises(HttpFailed, match="403"):
        request(f"{there}@{door}", "GET", "/")


def test_a_neighbour_that_is_gone(door: str) -> None:
    port = free_addresses(["gone"])["gone"].rpartition(":")[2]
    with pytest.raises(HttpFailed, match="502"):
        request(f"127.0.0.1:{port}@{door}", "GET", "/")


def test_it_tells_its_clock(door: str) -> None:
    before = WallClock().monotonic()
    there = ask(door, "GET", "/clock", None, Clock).monotonic
    assert before <= there <= WallClock().monotonic()


def test_it_is_no_web_server(door: str) -> None:
    connection = http.client.HTTPConnection(door, timeout=2)
    connection.request("GET", "/etc/passwd")
    assert connection.getresponse().status == 405
    connection.close()


@pytest.mark.parametrize("who", ["client", "neighbour"])
def test_a_connection_that_breaks_off_breaks_off_at_the_other_end_too(forwarded: int, who: str) -> None:
    async def run() -> bytes:
        there: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        upstream = await asyncio.start_server(lambda *pair: there.put_nowait(pair), "127.0.0.1", 0)
        port = upstream.sockets[0].getsockname()[1]
        door = Door(["127.0.0.1"], {forwarded: f"127.0.0.1:{port}"}, WallClock())
        await door.start("127.0.0.1", 0)
        client = await asyncio.open_connection("127.0.0.1", forwarded)
        client[1].write(b"x")
        other = await there.get()
        await other[0].read(1)
        broken, left = (client, other) if who == "client" else (other, client)
        broken[1].get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        broken[1].transport.abort()
        seen = await asyncio.wait_for(left[0].read(1), timeout=5)
        left[1].close()
        await door.close()
        upstream.close()
        return seen

    assert asyncio.run(run()) == b""
