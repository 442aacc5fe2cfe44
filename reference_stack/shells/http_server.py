"""The smallest HTTP/1.1 server that keeps connections: uvloop's sockets, httptools' parser, a write a reply.

A component is asked some two thousand times a simulated day. uvicorn spends a scope, a task, two messages and
two writes on each request: 135 to 230 µs of CPU with the component's work, where this server takes 50 to 120
(gauge 17 to 23, an echo of a feature lookup).
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple, cast
from urllib.parse import unquote

import httptools

from reference_stack.runtime import monotonic
from reference_stack.shells import server_timing

Respond = Callable[[int, bytes, bytes], None]
"""Told once of a request's status, content type and body."""
Application = Callable[[str, str, bytes, Respond], None]
"""Given a request's method, path and body, and whom to tell; perhaps it tells before it returns."""

IDLE_SECONDS = 75.0
"""A connection is closed when nothing was asked on it for this long, or up to twice as long."""
GRACE_SECONDS = 1.0
"""How long open requests may take once the server is told to stop."""
BACKLOG = 2048
_PIPELINED = 16
_TEXT = b"text/plain; charset=utf-8"


class _Request(NamedTuple):
    method: str
    url: bytes
    body: bytes
    keep: bool


class HttpServer:
    """Serves an application on a listening socket until `stop` is called."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._stopped = asyncio.Event()
        self._open: dict[_Connection, None] = {}

    def stop(self) -> None:
        """Take no more requests and finish those that are open."""
        self._stopped.set()

    async def serve(self, listening: socket.socket) -> None:
        """Answer until `stop`, and then for a moment those who have asked already."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: _Connection(self._application, self._open), sock=listening, backlog=BACKLOG
        )
        self._sweep()
        await self._stopped.wait()
        self._sweeping.cancel()
        server.close()
        for connection in list(self._open):
            connection.finish()
        deadline = loop.time() + GRACE_SECONDS
        while self._open and loop.time() < deadline:
            await asyncio.wait([connection.closed for connection in self._open], timeout=GRACE_SECONDS)
        for connection in list(self._open):
            connection.abort()

    def _sweep(self) -> None:
        for connection in list(self._open):
            connection.close_if_unused()
        self._sweeping = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._sweep)


class _Connection(asyncio.Protocol):
    """One client's connection: requests are answered one after the other."""

    def __init__(self, application: Application, all_open: dict[_Connection, None]) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._application = application
        self._all_open = all_open
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body = b""
        self._under_way: _Request | None = None
        self._waiting: deque[_Request] = deque()
        self._used = True
        self._finishing = False
        self._began_s = 0.0

    # What the server says.

    def finish(self) -> None:
        """Close, once what has been asked is answered."""
        self._finishing = True
        if self._under_way is None and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def close_if_unused(self) -> None:
        """Close if nothing was asked since the last look."""
        if not self._used and self._under_way is None:
            self.finish()
        self._used = False

    # What the loop says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = cast(asyncio.Transport, transport)
        self._all_open[self] = None

    def connection_lost(self, _: Exception | None) -> None:
        """The client is gone; work that it asked for goes on."""
        self._transport = None
        self._waiting.clear()
        del self._all_open[self]
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Bytes of requests."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            # Not the client's mistake: the loop says what broke, and closes.
            raise
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._finishing = True
            if self._under_way is None:
                self._write(400, _TEXT, f"not a request: {error}".encode(), keep=False)

    # What the parser says.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url = self._body = b""

    def on_url(self, url: bytes) -> None:
        """A piece of its address."""
        self._url += url

    def on_body(self, data: bytes) -> None:
        """A piece of its body."""
        self._body = self._body + data if self._body else data

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self._finishing:
            return
        parser = self._parser
        keep = parser.should_keep_alive() and parser.get_http_version() == "1.1"
        request = _Request(parser.get_method().decode(), self._url, self._body, keep)
        self._used = True
        if self._under_way is None:
            self._begin(request)
        else:
            self._waiting.append(request)
            if len(self._waiting) >= _PIPELINED and self._transport is not None:
                self._transport.pause_reading()

    # How requests are answered.

    def _begin(self, request: _Request) -> None:
        self._under_way = request
        self._began_s = monotonic()
        path = request.url.partition(b"?")[0].decode("ascii", "replace")
        self._application(request.method, unquote(path) if "%" in path else path, request.body, self._respond)

    def _respond(self, status: int, kind: bytes, body: bytes) -> None:
        request, self._under_way = self._under_way, None
        if self._transport is None or request is None:
            return
        keep = request.keep and not self._finishing
        self._write(status, kind, b"" if request.method == "HEAD" else body, keep=keep)
        if keep and self._waiting:
            following = self._waiting.popleft()
            self._transport.resume_reading()
            self._begin(following)

    def _write(self, status: int, kind: bytes, body: bytes, *, keep: bool) -> None:
        if self._transport is None:
            return
        end = b"\r\n\r\n" if keep else b"\r\nconnection: close\r\n\r\n"
        took_ms = 1000 * (monotonic() - self._began_s)
        self._transport.write(_HEAD % (_START[status], kind, took_ms, len(body), end, body))
        if not keep:
            self._transport.close()


_HEAD = b"%b%b\r\n" + server_timing.NAME + b": " + server_timing.FORM + b"\r\ncontent-length: %d%b%b"
_START = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: ".encode()
    for status in HTTPStatus
}
