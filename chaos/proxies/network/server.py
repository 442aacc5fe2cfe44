"""The server: one loop that answers the API and carries the bytes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from dataclasses import dataclass

import uvloop

from chaos.clock import WallClock
from chaos.proxies.network import address
from chaos.proxies.network.api import Api
from chaos.proxies.network.collection import Collection
from chaos.proxies.network.http import HttpProtocol


@dataclass(frozen=True, slots=True)
class Options:
    """How to run: the API's address (port 0 takes a free one), and the seed of all randomness."""

    host: str
    port: int
    seed: int
    until_stdin_closes: bool


def run(options: Options) -> None:
    """Serve until SIGTERM or SIGINT; raises ApiError where the API's address cannot be bound."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(options))


async def _serve(options: Options) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if options.until_stdin_closes:
        _watch_stdin(loop, stopping)

    collection = Collection(options.seed, WallClock())
    api = Api(collection)
    listener = await address.bind(address.join(options.host, options.port))
    server = await loop.create_server(lambda: HttpProtocol(api.answer, loop), sock=listener)
    host, port = listener.getsockname()[:2]
    sys.stdout.write(json.dumps({"api": address.join(host, port)}) + "\n")
    sys.stdout.flush()

    await stopping.wait()
    server.close()
    await collection.stop()


def _watch_stdin(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    # A thread, since a loop cannot watch every kind of file that standard input may be.
    def watch() -> None:
        while os.read(0, 4096):
            pass
        loop.call_soon_threadsafe(stopping.set)

    threading.Thread(target=watch, daemon=True).start()
