"""One client's connection: its two sockets, and a link in each direction."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from chaos.clock import Clock
from chaos.proxies.network import address
from chaos.proxies.network.chunk import Direction, End
from chaos.proxies.network.link import Link

if TYPE_CHECKING:
    from chaos.proxies.network.toxic import Placed, Rng

# Linger on, for no time: closing such a socket sends RST in place of FIN.
_LINGER_ZERO = struct.pack("ii", 1, 0)
# Deeper than the loop's 64 KiB, so that large transfers stop and start less often.
_WRITE_BUFFER_BYTES = 256 * 1024


class Side(asyncio.BaseProtocol):
    """One socket of a connection: the source of one link and the sink of the other."""

    transport: asyncio.Transport

    def __init__(self, opened: Callable[[], None], lost: Callable[[Side], None]) -> None:
        self.reads: Link  # the link that this side is the source of
        self.writes: Link  # the link that this side is the sink of
        self.open = False
        self.congested = False
        self.held = False
        self.early: list[bytes] = []
        self.early_end = False
        # An attribute, not a method: the loop calls it directly, so that bytes can skip Python altogether.
        self.data_received: Callable[[bytes], None] = self._receive_early
        self._opened = opened
        self._lost = lost
        self._linked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        self.open = True
        self._opened()

    def _receive_early(self, data: bytes) -> None:
        # Reading cannot be paused before the first bytes have come: what is early waits here.
        self.early.append(data)
        self.hold(True)

    def eof_received(self) -> bool:
        """The far end will send no more; True keeps the socket open for writing."""
        if self._linked:
            self.reads.finish(End.EOF)
        else:
            self.early_end = True
        return True

    def connection_lost(self, _: Exception | None) -> None:
        """The socket is closed."""
        self.open = False
        self._lost(self)

    def pause_writing(self) -> None:
        """The far end reads too slowly."""
        self.congested = True
        if self._linked:
            self.writes.balance()

    def resume_writing(self) -> None:
        """The far end has caught up."""
        self.congested = False
        if self._linked:
            self.writes.balance()

    def link(self) -> None:
        """Both sockets are open: what came early goes first."""
        self._linked = True
        early, self.early = self.early, []
        for data in early:
            self.reads.feed(data)
        if self.early_end:
            self.reads.finish(End.EOF)
        else:
            self.reads.balance()

    def receive_with(self, receive: Callable[[bytes], None]) -> None:
        """Send what is read to `receive` from now on."""
        self.data_received = receive
        if self.open:
            # The loop keeps what it found when the protocol was set, so it is set again.
            self.transport.set_protocol(self)

    def hold(self, held: bool) -> None:
        """Stop reading, or go on."""
        if held is self.held or not self.open:
            return
        self.held = held
        if held:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def break_off(self) -> None:
        """Close with a RST."""
        if self.open:
            sock: socket.socket = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            self.transport.abort()


class Connection:
    """A client, the upstream that is dialled for it, and what lies between."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        upstream: str,
        toxics: Callable[[Direction], list[Placed]],
        rng: Callable[[str, Direction], Rng],
        opened: Callable[[Connection], bool],
        lost: Callable[[Connection], None],
    ) -> None:
        self.loop = loop
        self.clock = clock
        self.rng = rng
        self.client = Side(self._accepted, self._side_lost)
        self._upstream = Side(self._dialled, self._side_lost)
        self._up = Link(self, Direction.UPSTREAM, self.client, self._upstream)
        self._down = Link(self, Direction.DOWNSTREAM, self._upstream, self.client)
        self.client.reads = self._upstream.writes = self._up
        self.client.writes = self._upstream.reads = self._down
        self._address = upstream
        self._toxics = toxics
        self._opened = opened
        self._lost = lost
        self._linked = False
        self._dial: asyncio.Task[None] | None = None

    def link(self, direction: Direction) -> Link | None:
        """The link of one direction, once there is one."""
        if not self._linked:
            return None
        return self._up if direction is Direction.UPSTREAM else self._down

    def half_closed(self) -> None:
        """One direction is done: the sockets close when both are."""
        if self._up.done and self._down.done:
            self.client.transport.close()
            self._upstream.transport.close()

    def reset(self) -> None:
        """Break both sockets off with a RST."""
        self.client.break_off()
        self._upstream.break_off()

    def abort(self) -> None:
        """Close both sockets at once, whatever is still under way."""
        if self._dial is not None:
            self._dial.cancel()
        for side in (self.client, self._upstream):
            if side.open:
                side.transport.abort()

    def _accepted(self) -> None:
        if self._opened(self):
            self._dial = self.loop.create_task(self._connect())
        else:
            self.client.transport.abort()

    async def _connect(self) -> None:
        # A task per client: an upstream that does not answer holds nobody else up.
        try:
            host, port = address.split(self._address)
            await self.loop.create_connection(lambda: self._upstream, host or "localhost", port)
        except (OSError, ValueError, address.AddressError):
            self.client.transport.abort()

    def _dialled(self) -> None:
        if not self.client.open:
            self._upstream.transport.abort()
            return
        self._linked = True
        self._up.start(self._toxics(Direction.UPSTREAM))
        self._down.start(self._toxics(Direction.DOWNSTREAM))
        self.client.link()
        self._upstream.link()

    def _side_lost(self, side: Side) -> None:
        if self._linked:
            side.writes.kill()
            side.reads.finish(End.CLOSE)
        elif self._dial is not None:
            self._dial.cancel()
        if not self.client.open and not self._upstream.open:
            self._lost(self)
