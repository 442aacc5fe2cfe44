"""One direction of one connection: from the socket that is read, through the toxics, to the one written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from chaos.proxies.network.chunk import MAX_CHUNK_BYTES, Chunk, Direction, End
from chaos.proxies.network.stage import Stage
from chaos.proxies.network.toxic import Placed

if TYPE_CHECKING:
    from chaos.clock import Clock
    from chaos.proxies.network.connection import Connection, Side


class Link:
    """A chain of stages, one per toxic, between two sides of a connection."""

    def __init__(self, connection: Connection, direction: Direction, source: Side, sink: Side) -> None:
        self.direction = direction
        self.done = False  # the end has been delivered to the sink
        self._connection = connection
        self._source = source
        self._sink = sink
        self._stages: list[Stage] = []
        self._ended = False  # the source will send no more
        self._closing = False  # the source is gone: its end takes the connection down
        self._dead = False  # the sink is gone
        self._loop: asyncio.AbstractEventLoop = connection.loop
        self._clock: Clock = connection.clock

    def start(self, toxics: list[Placed]) -> None:
        """Connect the two sockets, which must both be open."""
        for placed in toxics:
            self._append(placed)
        self._route()

    # The toxics of a live link.

    def add(self, placed: Placed) -> None:
        """Put a toxic at the end of the chain."""
        if not self.done and not self._dead:
            self._append(placed)
            self._route()

    def update(self, placed: Placed) -> None:
        """Go on under a toxic's changed attributes."""
        for stage in self._stages:
            if stage.placed is placed:
                stage.update()
        self.balance()

    def remove(self, placed: Placed) -> None:
        """Take a toxic out of the chain; what it held goes on."""
        for stage in [stage for stage in self._stages if stage.placed is placed]:
            stage.remove()
            self._stages.remove(stage)
            self._join()
        self._route()
        self.balance()

    # What the sides say.

    def feed(self, data: bytes) -> None:
        """Bytes came in from the source."""
        if not self._stages:
            self._deliver_bytes(data)
            return
        now = self._clock.monotonic()
        first = self._stages[0]
        for start in range(0, len(data), MAX_CHUNK_BYTES):
            first.push(Chunk(data[start : start + MAX_CHUNK_BYTES], now))
        self.balance()

    def finish(self, end: End) -> None:
        """The source will send no more: `EOF`, or `CLOSE` when its socket is gone as well."""
        self._closing = self._closing or end is not End.EOF
        if self._dead:
            return
        if self.done:
            self._deliver_end(end)
        elif not self._ended:
            self._ended = True
            if self._stages:
                self._stages[0].push_end(end)
            else:
                self._deliver_end(end)

    def kill(self) -> None:
        """The sink is gone: whatever still comes is dropped."""
        self._dead = True
        for stage in self._stages:
            stage.kill()
        self._stages.clear()
        self._route()
        self.balance()

    def balance(self) -> None:
        """Let the source send only while there is room for more."""
        if self._ended:
            return
        full = self._sink.congested or any(stage.full for stage in self._stages)
        self._source.hold(full and not self._dead)

    # How it works.

    def _append(self, placed: Placed) -> None:
        rng = self._connection.rng(placed.name, self.direction)
        stage = Stage(placed, rng, self._clock, self._loop, self._relieved)
        self._stages.append(stage)
        self._join()
        stage.start()

    def _join(self) -> None:
        for stage, following in zip(self._stages, self._stages[1:], strict=False):
            stage.pass_on, stage.pass_end = following.push, following.push_end
        if self._stages:
            last = self._stages[-1]
            last.pass_on, last.pass_end = self._deliver, self._deliver_end

    def _route(self) -> None:
        """Choose where the source's bytes go: with no toxic, straight into the sink's socket."""
        receive: Callable[[bytes], None]
        if self._dead or self.done:
            receive = _drop
        elif self._stages:
            receive = self.feed
        else:
            receive = self._sink.transport.write
        self._source.receive_with(receive)

    def _relieved(self) -> None:
        if self._source.held:
            self.balance()

    def _deliver(self, chunk: Chunk) -> None:
        self._deliver_bytes(chunk.data)

    def _deliver_bytes(self, data: bytes) -> None:
        if not self._dead and not self.done:
            self._sink.transport.write(data)

    def _deliver_end(self, end: End) -> None:
        self.done = True
        if end is End.RESET:
            self._connection.reset()
        elif end is End.CLOSE or self._closing:
            self._sink.transport.close()
        else:
            self._sink.transport.write_eof()
            self._connection.half_closed()
        self._route()


def _drop(data: bytes) -> None:
    """Nobody is left to read this."""
