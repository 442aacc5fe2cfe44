"""The live shell: a component's operations over HTTP, and the port that calls them.

    POST /OPERATION        a JSON body, for every operation
    GET  /OPERATION        where the request has no fields
    GET  /OPERATION/VALUE  where the request has one field, of type str
    GET  /metrics          Prometheus' text format

An error is `{"error": …}` with status 400, 404, 429 or 500. A bare ASGI application: with Starlette's router
and request the same round trip costs the server twice as much CPU (170 against 83 µs, measured).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, cast

import aiohttp
import msgspec
import uvicorn
from msgspec.json import Decoder
from yarl import URL

from reference_stack.ports import (
    Failed,
    NotFound,
    Operation,
    Rejected,
    Reply,
    Request,
    TimedOut,
    Unreachable,
)
from reference_stack.shells.server import ErrorBody, Outcome, Server, body_of, error_of, status_of

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

KEEP_ALIVE_SECONDS = 75
"""Longer than any client of ours keeps an idle connection, so that none is reused while it closes."""
CLIENT_KEEP_ALIVE_SECONDS = 60
BACKLOG = 2048


class HttpApp:
    """The ASGI application in front of a component's server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._decoders: dict[str, Decoder[msgspec.Struct]] = {}
        self._keys: dict[str, str] = {}
        for name, (operation, _) in server.operations.items():
            self._decoders[name] = Decoder(operation.request)
            fields = msgspec.structs.fields(operation.request)
            if len(fields) == 1 and fields[0].type is str:
                self._keys[name] = fields[0].encode_name

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        path: str = scope["path"]
        if scope["method"] == "POST":
            operation, body = path[1:], await _body(receive)
        else:
            operation, _, value = path[1:].partition("/")
            if operation == "metrics" and not value:
                text = self._server.component.telemetry.metrics.render()
                await _respond(send, 200, text.encode(), b"text/plain; version=0.0.4; charset=utf-8")
                return
            body = msgspec.json.encode({self._keys.get(operation, ""): value}) if value else b"{}"
            if scope["method"] != "GET" or (value and operation not in self._keys):
                operation = path
        outcome = await self._outcome(operation, body)
        await _respond(send, status_of(outcome), body_of(outcome), b"application/json")

    async def _outcome(self, operation: str, body: bytes) -> Outcome:
        decoder = self._decoders.get(operation)
        if decoder is None:
            return NotFound(f"{self._server.component.name} has no operation {operation!r}")
        try:
            request = decoder.decode(body)
        except msgspec.DecodeError as error:
            return Rejected(f"{operation}: {error}")
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def done(outcome: Outcome) -> None:
            if not future.done():
                future.set_result(outcome)

        self._server.submit(operation, request, done)
        return await future


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


async def _respond(send: Send, status: int, body: bytes, kind: bytes) -> None:
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class HttpServer(uvicorn.Server):
    """uvicorn on a socket of our own; it ends when `stop` is called and leaves signals to the process."""

    def __init__(self, app: HttpApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=1,
            )
        )
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Take no more requests and finish those that are open."""
        self._stopped.set()

    async def main_loop(self) -> None:
        """Wait for the end; uvicorn itself looks ten times a second."""
        await self._stopped.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def listen(address: str) -> socket.socket:
    """A listening socket at `host:port`. Raises OSError, naming the address."""
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise OSError(error.errno, f"cannot listen on {address}: {error.strerror}") from error
    return listening


def split_address(address: str) -> tuple[str, int]:
    """`host:port` or `http://host:port`, as host and port. Raises ValueError."""
    host, colon, port = address.removeprefix("http://").rstrip("/").rpartition(":")
    if not colon or not port.isdigit():
        raise ValueError(f"{address!r} is not host:port")
    return host.strip("[]"), int(port)


class HttpClient:
    """The connections of one process, kept open between calls. Make it inside the running loop."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=CLIENT_KEEP_ALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
            headers={"Content-Type": "application/json"},
            auto_decompress=False,
        )

    def port(self, address: str) -> HttpPort:
        """A port to the component at `host:port`."""
        return HttpPort(self._session, address)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


class HttpPort:
    """A link to a component over HTTP."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        split_address(address)
        self._session = session
        self._address = address.removeprefix("http://").rstrip("/")
        self._known: dict[str, tuple[URL, Decoder[Any]]] = {}

    async def call(
        self, operation: Operation[Request, Reply], request: Request, *, timeout_ms: float
    ) -> Reply:
        """Ask and wait for the reply. Raises a PortError."""
        known = self._known.get(operation.name)
        if known is None:
            url = URL(f"http://{self._address}/{operation.name}")
            known = self._known[operation.name] = (url, Decoder(operation.reply))
        url, decoder = known
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                async with self._session.post(url, data=msgspec.json.encode(request)) as response:
                    body = await response.read()
        except TimeoutError as error:
            raise TimedOut(f"{url}: no reply within {timeout_ms:g} ms") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"{url}: {str(error) or type(error).__name__}") from error
        return read_reply(response.status, body, cast(Decoder[Reply], decoder), str(url))


def read_reply(status: int, body: bytes, decoder: Decoder[Reply], where: str) -> Reply:
    """The reply in a response. Raises the PortError that its status stands for, or Failed if unreadable."""
    if status != 200:
        raise error_of(status, _says(body))
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        raise Failed(f"{where}: the reply cannot be read: {error}") from error


def _says(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=ErrorBody).error
    except msgspec.DecodeError:
        return body[:200].decode(errors="replace")
