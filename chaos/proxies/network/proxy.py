"""One proxy: a listening address, an upstream, and the toxics between them."""

from __future__ import annotations

import asyncio
import socket

from chaos import seeds
from chaos.clock import Clock
from chaos.proxies.network import address
from chaos.proxies.network.chunk import Direction
from chaos.proxies.network.connection import Connection
from chaos.proxies.network.errors import address_error, toxic_exists, toxic_not_found
from chaos.proxies.network.toxic import Placed, Rng, Toxic


class Proxy:
    """A proxy, its toxics and its live connections.

    `seed` fixes what its toxics do: connections are numbered as they come in, and each connection,
    direction and toxic draws from a stream of its own.
    """

    def __init__(self, name: str, listen: str, upstream: str, seed: int, clock: Clock) -> None:
        self.name = name
        self.listen = listen
        self.upstream = upstream
        self.enabled = False
        self._seed = seed
        self._clock = clock
        self._chains: dict[Direction, list[Placed]] = {direction: [] for direction in Direction}
        self._connections: set[Connection] = set()
        self._accepted = 0
        self._server: asyncio.Server | None = None
        self._all_gone: asyncio.Future[None] | None = None

    # Life.

    async def start(self) -> None:
        """Listen; `listen` becomes the address that was bound.

        Raises ApiError (500) where it cannot be.
        """
        if self.enabled:
            return
        loop = asyncio.get_running_loop()
        listener = await address.bind(self.listen)
        host, port = listener.getsockname()[:2]
        self.listen = address.join(host, port)
        self.enabled = True
        self._server = await self._serve(loop, listener)

    async def stop(self) -> None:
        """Stop listening and close every connection; the toxics stay."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.enabled = False
        for connection in list(self._connections):
            connection.abort()
        # Sockets close in the loop's next round: who asked must not see them open after the answer.
        while self._connections:
            self._all_gone = asyncio.get_running_loop().create_future()
            await self._all_gone

    async def differs(self, listen: str, upstream: str) -> bool:
        """Whether these addresses, resolved, are others than this proxy's.

        Raises ApiError (500) when `listen` cannot be resolved.
        """
        try:
            host, port = await address.resolve(listen)
        except address.AddressError as error:
            raise address_error(str(error)) from None
        return address.join(host, port) != self.listen or upstream != self.upstream

    async def update(self, listen: str, upstream: str, enabled: bool) -> None:
        """Move to other addresses, which drops the connections, and enable or disable."""
        if await self.differs(listen, upstream):
            await self.stop()
            self.listen = listen
            self.upstream = upstream
        if enabled != self.enabled:
            await (self.start() if enabled else self.stop())

    # Toxics.

    @property
    def toxics(self) -> list[Placed]:
        """All toxics: upstream first, then downstream, each as added."""
        return self._chains[Direction.UPSTREAM] + self._chains[Direction.DOWNSTREAM]

    def toxic(self, name: str) -> Placed:
        """The toxic of that name, in either stream; raises ApiError (404)."""
        for placed in self.toxics:
            if placed.name == name:
                return placed
        raise toxic_not_found()

    def has_toxic(self, name: str) -> bool:
        """Whether a toxic of either stream has that name."""
        return any(placed.name == name for placed in self.toxics)

    def add(self, placed: Placed) -> None:
        """Put a toxic at the end of its chain, in live connections too; raises ApiError (409)."""
        if self.has_toxic(placed.name):
            raise toxic_exists()
        self._chains[placed.direction].append(placed)
        for connection in self._connections:
            link = connection.link(placed.direction)
            if link is not None:
                link.add(placed)

    def change(self, placed: Placed, toxic: Toxic, toxicity: float) -> None:
        """Give a toxic other attributes; every live connection rolls for it again."""
        placed.toxic = toxic
        placed.toxicity = toxicity
        for connection in self._connections:
            link = connection.link(placed.direction)
            if link is not None:
                link.update(placed)

    def remove(self, placed: Placed) -> None:
        """Take a toxic away, from live connections too."""
        self._chains[placed.direction].remove(placed)
        for connection in self._connections:
            link = connection.link(placed.direction)
            if link is not None:
                link.remove(placed)

    def clear(self) -> None:
        """Take all toxics away."""
        for placed in self.toxics:
            self.remove(placed)

    # Connections.

    async def _serve(self, loop: asyncio.AbstractEventLoop, listener: socket.socket) -> asyncio.Server:
        server: asyncio.Server | None = None

        def opened(connection: Connection) -> bool:
            # A connection that was accepted just before its listener closed comes too late.
            if server is None or server is not self._server:
                return False
            self._connections.add(connection)
            return True

        def accept() -> asyncio.BaseProtocol:
            self._accepted += 1
            number = self._accepted

            def rng(toxic: str, direction: Direction) -> Rng:
                return seeds.stream(self._seed, self.name, toxic, direction.value, number)

            connection = Connection(
                loop, self._clock, self.upstream, self._chains.__getitem__, rng, opened, self._forget
            )
            return connection.client

        server = await loop.create_server(accept, sock=listener, backlog=4096)
        return server

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections and self._all_gone is not None and not self._all_gone.done():
            self._all_gone.set_result(None)
