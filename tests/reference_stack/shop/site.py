"""A tiny HTTP site in a thread: answers /recommend and /collect, and keeps what it was asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import httptools
import msgspec

from reference_stack.messages import CollectReply, RecommendReply, RecommendRequest, ViewEvents


class Site:
    """Listens on a free port of 127.0.0.1 between `start` and `stop`."""

    def __init__(self, delay_s: Callable[[], float] = lambda: 0.0) -> None:
        self.recommended: list[RecommendRequest] = []
        self.collected: list[ViewEvents] = []
        self.connections = 0
        self.at_once = 0
        self.under_way = 0
        self.address = ""
        self.delay_s = delay_s
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> Site:
        listening = asyncio.run_coroutine_threadsafe(self._listen(), self._loop)
        self._thread.start()
        self.address = listening.result(timeout=5)
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def answer(self, path: str, body: bytes) -> tuple[int, msgspec.Struct | dict[str, str]]:
        if path == "/recommend":
            request = msgspec.json.decode(body, type=RecommendRequest)
            self.recommended.append(request)
            return 200, RecommendReply(
                recommendation=f"r-{request.view}",
                slate=list(range(40, 50)),
                version=3,
                build="b1",
                replica="serving-a",
            )
        if path == "/collect":
            events = msgspec.json.decode(body, type=ViewEvents)
            self.collected.append(events)
            return 200, CollectReply(accepted=len(events.products), quarantined=0)
        return 404, {"error": path}

    def _run(self) -> None:
        self._loop.run_forever()
        self._server.close()
        self._loop.run_until_complete(asyncio.wait_for(self._hang_up(), 5))

    async def _listen(self) -> str:
        self._open: set[asyncio.Transport] = set()
        self._server = await self._loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=2000)
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    async def _hang_up(self) -> None:
        # Those that are just being accepted are connected some turns of the loop later.
        for _ in range(20):
            for transport in list(self._open):
                transport.abort()
            await asyncio.sleep(0)


class _Connection(asyncio.Protocol):
    def __init__(self, site: Site) -> None:
        self._site = site
        self._parser = httptools.HttpRequestParser(self)
        self._path = ""
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._site.connections += 1
        self._site._open.add(transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self._site._open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path = url.decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        path, body, self._body = self._path, self._body, b""
        delay_s = self._site.delay_s() if path == "/recommend" else 0.0
        self._site.under_way += 1
        self._site.at_once = max(self._site.at_once, self._site.under_way)
        if delay_s:
            self._site._loop.call_later(delay_s, self._reply, path, body)
        else:
            self._reply(path, body)

    def _reply(self, path: str, body: bytes) -> None:
        self._site.under_way -= 1
        status, reply = self._site.answer(path, body)
        content = msgspec.json.encode(reply)
        self._transport.write(
            b"HTTP/1.1 %d -\r\nContent-Length: %d\r\n\r\n" % (status, len(content)) + content
        )
