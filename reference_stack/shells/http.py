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

import httptools
import msgspec
import uvicorn
from msgspec.json import Decoder

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
_encoder = msgspec.json.Encoder()
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
                proxy_headers=False,
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
    """The connections of one process, kept open between calls. Make it inside the running loop.

    Sockets and parsing are uvloop's and httptools', in C. aiohttp's client costs three times as much CPU a
    call, which at 600 views a second is a tenth of a machine.
    """

    def __init__(self) -> None:
        self._open: set[Connection] = set()

    def port(self, address: str) -> HttpPort:
        """A port to the component at `host:port`."""
        return HttpPort(self._open, address)

    async def close(self) -> None:
        """Close all connections."""
        for connection in list(self._open):
            connection.abort()


class Connection(asyncio.Protocol):
    """One connection, one request at a time. `broken` says that it can take no more."""

    def __init__(self, all_open: set[Connection]) -> None:
        self.broken = False
        self._all_open = all_open
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[tuple[int, bytes]] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""

    def ask(self, data: bytes) -> asyncio.Future[tuple[int, bytes]]:
        """Send a request; the future holds status and body, or a ConnectionError."""
        assert self._transport is not None
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return self._waiter

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self.broken = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop has connected."""
        self._transport = cast(asyncio.Transport, transport)
        self._all_open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The other end closed, or broke off."""
        self.broken = True
        self._all_open.discard(self)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionResetError(str(exc) if exc else "closed by the other end"))

    def data_received(self, data: bytes) -> None:
        """Bytes of a response."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_exception(ConnectionError(f"not HTTP: {error}"))
            self.abort()

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._body += data

    def on_message_complete(self) -> None:
        """The response is whole."""
        body, self._body = self._body, b""
        if not self._parser.should_keep_alive():
            self.abort()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result((self._parser.get_status_code(), body))


class HttpPort:
    """A link to a component over HTTP."""

    def __init__(self, all_open: set[Connection], address: str) -> None:
        self._host, self._port = split_address(address)
        self._address = address.removeprefix("http://").rstrip("/")
        self._all_open = all_open
        self._idle: list[Connection] = []
        self._known: dict[str, tuple[bytes, Decoder[Any]]] = {}

    async def call(
        self, operation: Operation[Request, Reply], request: Request, *, timeout_ms: float
    ) -> Reply:
        """Ask and wait for the reply. Raises a PortError."""
        known = self._known.get(operation.name)
        if known is None:
            known = self._known[operation.name] = (self._head(operation.name), Decoder(operation.reply))
        head, decoder = known
        body = _encoder.encode(request)
        where = f"{self._address}/{operation.name}"
        connection: Connection | None = None
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                connection = await self._connection()
                status, answer = await connection.ask(head + b"%d\r\n\r\n" % len(body) + body)
        except TimeoutError as error:
            raise TimedOut(f"{where}: no reply within {timeout_ms:g} ms") from error
        except OSError as error:
            raise Unreachable(f"{where}: {str(error) or type(error).__name__}") from error
        else:
            if not connection.broken:
                self._idle.append(connection)
            connection = None
        finally:
            if connection is not None:
                connection.abort()
        return read_reply(status, answer, cast(Decoder[Reply], decoder), where)

    async def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.broken:
                return connection
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(lambda: Connection(self._all_open), self._host, self._port)
        return made

    def _head(self, operation: str) -> bytes:
        return (
            f"POST /{operation} HTTP/1.1\r\nHost: {self._address}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()


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
