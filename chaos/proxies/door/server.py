"""Relays connections to named neighbours, and to nobody else.

Ports are forwarded one to one (for people and their browsers); one more port takes HTTP's CONNECT (for the
harness, which so reaches every component by its own name) and answers `GET /clock`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping

import msgspec

from chaos.clock import Clock

CHUNK = 65_536
MAX_HEAD = 8_192
DIAL_SECONDS = 2.0


class Door:
    """Lets in to `neighbours` only; `forwards` maps a port here to a neighbour's `host:port`."""

    def __init__(self, neighbours: Collection[str], forwards: Mapping[int, str], clock: Clock) -> None:
        self._neighbours = frozenset(neighbours)
        self._forwards = dict(forwards)
        self._clock = clock
        self._servers: list[asyncio.Server] = []

    async def start(self, host: str, port: int) -> int:
        """Listen; the port of the tunnels. Raises OSError."""
        tunnels = await asyncio.start_server(self._tunnel, host, port, limit=MAX_HEAD)
        self._servers.append(tunnels)
        for here, there in self._forwards.items():
            self._servers.append(await asyncio.start_server(_Forward(there).serve, host, here))
        return int(tunnels.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening."""
        for server in self._servers:
            server.close()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
                return
            method, _, rest = head.decode("latin-1").partition(" ")
            where = rest.partition(" ")[0]
            if method == "GET" and where == "/clock":
                writer.write(_reply("200 OK", msgspec.json.encode({"monotonic": self._clock.monotonic()})))
            elif method != "CONNECT":
                writer.write(_reply("405 Method Not Allowed"))
            elif where.rpartition(":")[0] not in self._neighbours:
                writer.write(_reply("403 Forbidden"))
            else:
                await _relay_to(where, reader, writer, greeting=True)
            with contextlib.suppress(OSError):
                await writer.drain()


class _Forward:
    def __init__(self, there: str) -> None:
        self._there = there

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            await _relay_to(self._there, reader, writer, greeting=False)


async def _relay_to(
    where: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, greeting: bool
) -> None:
    host, _, port = where.rpartition(":")
    try:
        dialled = asyncio.open_connection(host, int(port))
        there_reader, there_writer = await asyncio.wait_for(dialled, DIAL_SECONDS)
    except (OSError, ValueError, TimeoutError):
        if greeting:
            writer.write(_reply("502 Bad Gateway"))
        return
    with contextlib.closing(there_writer):
        if greeting:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hand on until one side ends; then tell the other. One that breaks off breaks the other off."""
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.transport.abort()


def _reply(status: str, body: bytes = b"") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
