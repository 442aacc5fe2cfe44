"""The live shell: a component's operations over HTTP, and the port that calls them.

    POST /OPERATION        a JSON body, for every operation
    GET  /OPERATION        where the request has no fields
    GET  /OPERATION/VALUE  where the request has one field, of type str
    GET  /metrics          Prometheus' text format

An error is `{"error": …}` with status 400, 404, 429 or 500.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, NamedTuple, cast

import httptools
import msgspec
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
from reference_stack.shells import server_timing
from reference_stack.shells.http_server import BACKLOG, Respond
from reference_stack.shells.server import ErrorBody, Outcome, Server, body_of, error_of, status_of

_encoder = msgspec.json.Encoder()
_JSON = b"application/json"
_METRICS = b"text/plain; version=0.0.4; charset=utf-8"


class Answer(NamedTuple):
    """A response. `server_ms`: what the other end took for it, where it says so."""

    status: int
    body: bytes
    server_ms: float | None = None


class HttpApp:
    """The application in front of a component's server; see `http_server.Application`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._decoders: dict[str, Decoder[msgspec.Struct]] = {}
        self._keys: dict[str, str] = {}
        for name, (operation, _) in server.operations.items():
            self._decoders[name] = Decoder(operation.request)
            fields = msgspec.structs.fields(operation.request)
            if len(fields) == 1 and fields[0].type is str:
                self._keys[name] = fields[0].encode_name

    def __call__(self, method: str, path: str, body: bytes, respond: Respond) -> None:
        """Answer one request."""

        def done(outcome: Outcome) -> None:
            respond(status_of(outcome), _JSON, body_of(outcome))

        operation = path[1:]
        if method != "POST":
            operation, _, value = operation.partition("/")
            if operation == "metrics" and not value:
                respond(200, _METRICS, self._server.component.telemetry.render().encode())
                return
            body = msgspec.json.encode({self._keys.get(operation, ""): value}) if value else b"{}"
            if method != "GET" or (value and operation not in self._keys):
                operation = path
        decoder = self._decoders.get(operation)
        if decoder is None:
            done(NotFound(f"{self._server.component.name} has no operation {operation!r}"))
            return
        try:
            request = decoder.decode(body)
        except msgspec.DecodeError as error:
            done(Rejected(f"{operation}: {error}"))
        else:
            self._server.submit(operation, request, done)


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
        return HttpPort(self.channel(address))

    def channel(self, address: str) -> Channel:
        """A way to send requests of any kind to `host:port`."""
        return Channel(self._open, address)

    async def close(self) -> None:
        """Close all connections."""
        for connection in list(self._open):
            connection.abort()


class Connection(asyncio.Protocol):
    """One connection, one request at a time. `broken` says that it can take no more."""

    def __init__(self, loop: asyncio.AbstractEventLoop, all_open: set[Connection]) -> None:
        self.broken = False
        self._loop = loop
        self._all_open = all_open
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._timing = b""

    async def ask(self, data: bytes, within_s: float) -> Answer:
        """Send a request and wait for the response. Raises TimeoutError and ConnectionError."""
        assert self._transport is not None
        waiter: asyncio.Future[Answer] = self._loop.create_future()
        self._waiter = waiter
        # A timer of its own costs less than `asyncio.timeout`, which cancels the whole task.
        timer = self._loop.call_later(within_s, self._fail, TimeoutError())
        try:
            self._transport.write(data)
            return await waiter
        finally:
            timer.cancel()

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
        self._fail(ConnectionResetError(str(exc) if exc else "closed by the other end"))

    def data_received(self, data: bytes) -> None:
        """Bytes of a response."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionError(f"not HTTP: {error}"))
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        if name == server_timing.NAME:
            self._timing = value

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._body += data

    def on_message_complete(self) -> None:
        """The response is whole."""
        body, self._body = self._body, b""
        timing, self._timing = self._timing, b""
        if not self._parser.should_keep_alive():
            self.abort()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(
                Answer(self._parser.get_status_code(), body, server_timing.server_ms_of(timing))
            )

    def _fail(self, error: OSError) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)


class Channel:
    """Connections to one address, the one used last first; as many as there are requests at a time."""

    def __init__(self, all_open: set[Connection], address: str) -> None:
        self._host, self._port = split_address(address)
        self.address = address.removeprefix("http://").rstrip("/")
        self._all_open = all_open
        self._idle: list[Connection] = []

    async def exchange(self, data: bytes, where: str, timeout_ms: float) -> Answer:
        """Send a request and wait for the response. Raises TimedOut and Unreachable, which name `where`.

        Nothing is sent twice.
        """
        connection: Connection | None = None
        try:
            connection, within_s = self._kept(), timeout_ms / 1000
            if connection is None:
                connection, within_s = await self._connected(within_s)
            answer = await connection.ask(data, within_s)
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
        return answer

    def _kept(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.broken:
                return connection
        return None

    async def _connected(self, within_s: float) -> tuple[Connection, float]:
        """A new connection, and the seconds that are left."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        async with asyncio.timeout(within_s):
            _, made = await loop.create_connection(
                lambda: Connection(loop, self._all_open), self._host, self._port
            )
        return made, deadline - loop.time()


class HttpPort:
    """A link to a component over HTTP."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._known: dict[str, tuple[bytes, Decoder[Any], str]] = {}

    async def call(
        self, operation: Operation[Request, Reply], request: Request, *, timeout_ms: float
    ) -> Reply:
        """Ask and wait for the reply. Raises a PortError."""
        return (await self.ask(operation, request, timeout_ms))[0]

    async def ask(
        self, operation: Operation[Request, Reply], request: Request, timeout_ms: float
    ) -> tuple[Reply, float | None]:
        """The reply, and how many milliseconds the other end took, if it says so. Raises a PortError."""
        known = self._known.get(operation.name)
        if known is None:
            where = f"{self._channel.address}/{operation.name}"
            known = self._known[operation.name] = (
                self._head(operation.name),
                Decoder(operation.reply),
                where,
            )
        head, decoder, where = known
        body = _encoder.encode(request)
        data = b"%b%d\r\n\r\n%b" % (head, len(body), body)
        status, answer, server_ms = await self._channel.exchange(data, where, timeout_ms)
        return read_reply(status, answer, cast(Decoder[Reply], decoder), where), server_ms

    def _head(self, operation: str) -> bytes:
        return request_head("POST", f"/{operation}", self._channel.address, "application/json")


def request_head(method: str, target: str, address: str, kind: str) -> bytes:
    """The head of a request up to its length, which comes next."""
    return (
        f"{method} {target} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {kind}\r\nContent-Length: "
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
