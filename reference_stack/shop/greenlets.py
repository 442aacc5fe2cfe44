"""A runtime and ports for greenlets: everything that would wait blocks its greenlet instead.

A coroutine that waits for nothing else therefore runs to its end in one `send(None)`. Import this only in the
Locust process: it needs the standard library patched by gevent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import gevent
import gevent.event
import gevent.lock
import msgspec

from reference_stack.ports import (
    Failed,
    Operation,
    PortError,
    Reply,
    Request,
    Semaphore,
    Task,
    TimedOut,
    Unreachable,
)
from reference_stack.runtime import TICK_DAYS, LiveClock, monotonic, run_to_end
from reference_stack.shells.server import error_of
from reference_stack.shop.http import BadReply, Client

T = TypeVar("T")

Measured = Callable[[str, float, int, Exception | None, float | None], object]
"""Told of each request: operation, milliseconds, bytes of the reply, error, milliseconds at the other end."""


class GreenletSemaphore:
    """Permits for greenlets, first in, first out."""

    def __init__(self, permits: int) -> None:
        self._permits = gevent.lock.Semaphore(permits)

    async def acquire(self) -> object:
        """Block until there is a permit and take it."""
        return self._permits.acquire()

    def release(self) -> None:
        """Give a permit back."""
        self._permits.release()

    def locked(self) -> bool:
        """Whether no permit is free."""
        return bool(self._permits.locked())


class GreenletTask:
    """A greenlet as a task."""

    def __init__(self, greenlet: gevent.Greenlet) -> None:
        self._greenlet = greenlet

    def cancel(self) -> object:
        """Stop it at its next wait."""
        return self._greenlet.kill(block=False)

    def done(self) -> bool:
        """Whether it has ended."""
        return bool(self._greenlet.dead)


def stand_by(seconds: float) -> None:
    """Block this greenlet."""
    gevent.sleep(seconds)


class GreenletRuntime(LiveClock):
    """Implements ports.Runtime on gevent. As in `runtime.LiveRuntime` the clock stands at 0 until `start`."""

    def __init__(
        self,
        day_seconds: float,
        *,
        on_lag: Callable[[float, float], object],
        on_error: Callable[[BaseException], object],
    ) -> None:
        super().__init__(day_seconds, on_lag)
        self._started = gevent.event.Event()
        self._on_error = on_error
        self._closing = False

    def start(self, origin: float) -> None:
        """Begin to count from `origin`, in seconds of the monotonic clock, and to measure lag."""
        self._origin = origin
        self._started.set()
        self.spawn(self._watch_lag())

    def close(self) -> None:
        """Whoever waits for a moment of the calendar ends there instead; what is under way goes on."""
        self._closing = True

    async def sleep(self, seconds: float) -> None:
        """Block the greenlet for operational `seconds`."""
        gevent.sleep(max(0.0, seconds))

    async def until(self, day: float) -> None:
        """Block until a moment of the calendar; returns at once if it is past."""
        self._started.wait()
        # Once: a timer that is set counts by the true clock, wherever the calendar is moved meanwhile.
        due = monotonic() + (day - self._ahead_days) * self._day_seconds - self.now()
        waited = False
        while (remaining := due - monotonic()) > 0:
            gevent.sleep(remaining)
            waited = True
        if self._closing:
            raise gevent.GreenletExit
        if waited:
            self._woke(due)

    async def timeout(self, seconds: float, work: Awaitable[T]) -> T:
        """Block on `work` for `seconds` at most, else raise TimeoutError in it."""
        with gevent.Timeout(seconds, TimeoutError):
            return await work

    def semaphore(self, permits: int) -> Semaphore:
        """A semaphore with `permits` permits."""
        return GreenletSemaphore(permits)

    def spawn(self, work: Coroutine[Any, Any, object]) -> Task:
        """Start work in a greenlet of its own."""
        greenlet = gevent.spawn(run_to_end, work)
        greenlet.link_exception(self._broke)
        return GreenletTask(greenlet)

    async def blocking(self, work: Callable[[], T], what: str) -> T:  # noqa: ARG002
        """Run work here and now; a shop has none that takes long."""
        return work()

    def _broke(self, greenlet: gevent.Greenlet) -> None:
        self._on_error(greenlet.exception)

    async def _watch_lag(self) -> None:
        while True:
            await self.until(self.day() + TICK_DAYS)


class GreenletPort:
    """A link to another component over HTTP, with connections that are kept.

    `address` is host:port, of the component or of a proxy before it.
    """

    def __init__(self, address: str, measured: Measured) -> None:
        self._client = Client(address)
        self._measured = measured
        self._encode = msgspec.json.Encoder().encode
        self._decoders: dict[str, msgspec.json.Decoder[Any]] = {}

    async def call(
        self, operation: Operation[Request, Reply], request: Request, *, timeout_ms: float
    ) -> Reply:
        """Ask and block until the reply. Raises a PortError."""
        started = monotonic()
        body = b""
        failure: Exception | None = None
        server_ms: float | None = None
        try:
            with gevent.Timeout(timeout_ms / 1000.0, TimedOut(f"no reply within {timeout_ms:g} ms")):
                status, body, _, server_ms = self._client.post(f"/{operation.name}", self._encode(request))
            if status != 200:
                raise error_of(status, body[:200].decode(errors="replace"))
            return self._decoder(operation).decode(body)
        except OSError as error:
            failure = error
            raise Unreachable(str(error)) from error
        except (BadReply, msgspec.DecodeError) as error:
            failure = error
            raise Failed(f"the reply cannot be read: {error}") from error
        except PortError as error:
            failure = error
            raise
        finally:
            self._measured(operation.name, 1000.0 * (monotonic() - started), len(body), failure, server_ms)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._client.close()

    def _decoder(self, operation: Operation[Request, Reply]) -> msgspec.json.Decoder[Reply]:
        decoder = self._decoders.get(operation.name)
        if decoder is None:
            decoder = self._decoders[operation.name] = msgspec.json.Decoder(operation.reply)
        return decoder
