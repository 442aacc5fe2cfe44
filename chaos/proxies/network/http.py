"""HTTP/1.1 on the loop that also carries the bytes: requests in, answers out, one at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import unquote

import httptools

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"

_REASONS = {
    200: "OK",
    201: "Created",
    204: "No Content",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    500: "Internal Server Error",
}


@dataclass(slots=True)
class Request:
    """A request; `path` is decoded, `user_agent` empty where there is none."""

    method: str = ""
    path: str = ""
    user_agent: str = ""
    body: bytearray = field(default_factory=bytearray)
    keep_alive: bool = True


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; `content_type` is None where there is no body."""

    status: int
    body: bytes = b""
    content_type: str | None = None


class HttpProtocol(asyncio.Protocol):
    """One client of the API."""

    def __init__(
        self, answer: Callable[[Request], Awaitable[Response]], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._answer = answer
        self._loop = loop
        self._parser = httptools.HttpRequestParser(self)
        self._request = Request()
        self._waiting: deque[Request] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport
        self._no_more = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse; what is not HTTP ends the connection."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._write(Response(400, b"400 Bad Request", TEXT), keep_alive=False)
            self._transport.close()

    def eof_received(self) -> bool:
        """The client will ask no more, but may still wait for an answer."""
        self._no_more = True
        return self._worker is not None and not self._worker.done()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A request starts."""
        self._request = Request()

    def on_url(self, url: bytes) -> None:
        """The request line's target."""
        path = httptools.parse_url(url).path or b"/"
        self._request.path = unquote(path.decode("latin-1"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        header = name.lower()
        if header == b"user-agent":
            self._request.user_agent = value.decode("latin-1")
        elif header == b"expect" and value.lower() == b"100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._request.body += body

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._request.method = self._parser.get_method().decode()
        self._request.keep_alive = self._parser.should_keep_alive()
        self._waiting.append(self._request)
        if self._worker is None or self._worker.done():
            self._worker = self._loop.create_task(self._work())

    async def _work(self) -> None:
        while self._waiting:
            request = self._waiting.popleft()
            with ExitStack() as unanswered:
                # Nobody should wait for an answer that will not come; the loop reports the error.
                unanswered.callback(self._transport.abort)
                response = await self._answer(request)
                unanswered.pop_all()
            self._write(response, request.keep_alive)
            if not request.keep_alive:
                self._transport.close()
        if self._no_more:
            self._transport.close()

    def _write(self, response: Response, keep_alive: bool) -> None:
        if self._transport.is_closing():
            return
        head = [f"HTTP/1.1 {response.status} {_REASONS[response.status]}"]
        if response.content_type is not None:
            head.append(f"Content-Type: {response.content_type}")
        if response.content_type == TEXT:
            head.append("X-Content-Type-Options: nosniff")
        if response.status != 204:
            head.append(f"Content-Length: {len(response.body)}")
        if not keep_alive:
            head.append("Connection: close")
        self._transport.write("\r\n".join([*head, "", ""]).encode("latin-1") + response.body)
