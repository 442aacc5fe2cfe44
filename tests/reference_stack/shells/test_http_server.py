"""The HTTP server of the live shells, spoken to in plain bytes."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from reference_stack.shells import http_server
from reference_stack.shells.http import listen
from reference_stack.shells.http_server import HttpServer, Respond

pytestmark = pytest.mark.processes

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter, "Site"], Awaitable[None]]


class Site:
    """Says what it was asked; `/wait` is answered when `release` is called."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bytes]] = []
        self.held: list[Respond] = []
        self.server = HttpServer(self.application)

    def application(self, method: str, path: str, body: bytes, respond: Respond) -> None:
        self.asked.append((method, path, body))
        if path == "/wait":
            self.held.append(respond)
        else:
            respond(200, b"text/plain", path.encode())

    def release(self) -> None:
        self.held.pop(0)(200, b"text/plain", b"waited")


@pytest.fixture
def talk() -> Callable[[Talk], Site]:
    def run(play: Talk) -> Site:
        async def main() -> Site:
            site, listening = Site(), listen("127.0.0.1:0")
            host, port = listening.getsockname()
            serving = asyncio.ensure_future(site.server.serve(listening))
            reader, writer = await asyncio.open_connection(host, port)
            try:
                await asyncio.wait_for(play(reader, writer, site), 10.0)
            finally:
                writer.close()
                site.server.stop()
                await serving
            return site

        return asyncio.run(main())

    return run


async def reply(reader: asyncio.StreamReader, *, head_only: bool = False) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    (length,) = [
        int(line.partition(b":")[2])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length")
    ]
    return head, b"" if head_only else await reader.readexactly(length)


def test_a_connection_is_kept_and_requests_come_in_pieces(talk) -> None:
    async def play(reader, writer, site) -> None:
        for piece in (b"POST /a HT", b"TP/1.1\r\ncontent-le", b"ngth: 4\r\n\r\nbo", b"dy"):
            writer.write(piece)
            await writer.drain()
        head, body = await reply(reader)
        assert head.startswith(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n")
        assert b"close" not in head
        writer.write(b"GET /b%20c?q=1 HTTP/1.1\r\n\r\n")
        assert (body, (await reply(reader))[1]) == (b"/a", b"/b c")

    assert talk(play).asked == [("POST", "/a", b"body"), ("GET", "/b c", b"")]


def test_requests_sent_together_are_answered_in_their_order(talk) -> None:
    async def play(reader, writer, site) -> None:
        count = 3 * http_server._PIPELINED
        writer.write(b"GET /wait HTTP/1.1\r\n\r\n")
        for n in range(count):
            writer.write(b"GET /%d HTTP/1.1\r\n\r\n" % n)
        while not site.held:
            await asyncio.sleep(0)
        site.release()
        assert (await reply(reader))[1] == b"waited"
        assert [(await reply(reader))[1] for _ in range(count)] == [b"/%d" % n for n in range(count)]

    talk(play)


@pytest.mark.parametrize(
    "request_", [b"GET /x HTTP/1.0\r\n\r\n", b"GET /x HTTP/1.1\r\nconnection: close\r\n\r\n"]
)
def test_who_wants_it_closed_gets_it_closed(talk, request_) -> None:
    async def play(reader, writer, site) -> None:
        writer.write(request_)
        head, body = await reply(reader)
        assert (b"connection: close" in head, body, await reader.read()) == (True, b"/x", b"")

    talk(play)


def test_head_has_no_body(talk) -> None:
    async def play(reader, writer, site) -> None:
        writer.write(b"HEAD /x HTTP/1.1\r\n\r\nGET /y HTTP/1.1\r\n\r\n")
        await reply(reader, head_only=True)
        assert (await reply(reader))[1] == b"/y"

    talk(play)


def test_what_is_no_request_is_said_to_be_none(talk) -> None:
    async def play(reader, writer, site) -> None:
        writer.write(b"what?\r\n\r\n")
        head, body = await reply(reader)
        assert head.startswith(b"HTTP/1.1 400 ")
        assert (body.startswith(b"not a request"), await reader.read()) == (True, b"")

    assert talk(play).asked == []


def test_an_open_request_is_answered_after_stop_and_then_all_is_closed(talk) -> None:
    async def play(reader, writer, site) -> None:
        writer.write(b"GET /wait HTTP/1.1\r\n\r\n")
        while not site.held:
            await asyncio.sleep(0)
        site.server.stop()
        await asyncio.sleep(0)
        site.release()
        head, body = await reply(reader)
        assert (b"connection: close" in head, body, await reader.read()) == (True, b"waited", b"")

    talk(play)


def test_an_answer_for_a_client_that_has_gone_is_dropped(talk) -> None:
    async def play(reader, writer, site) -> None:
        writer.write(b"GET /wait HTTP/1.1\r\n\r\n")
        while not site.held:
            await asyncio.sleep(0)
        writer.transport.abort()
        while site.server._open:
            await asyncio.sleep(0)
        site.release()

    talk(play)


def test_an_idle_connection_is_closed(talk, monkeypatch) -> None:
    monkeypatch.setattr(http_server, "IDLE_SECONDS", 0.02)

    async def play(reader, writer, site) -> None:
        writer.write(b"GET /x HTTP/1.1\r\n\r\n")
        assert (await reply(reader))[1] == b"/x"
        assert await reader.read() == b""

    talk(play)
