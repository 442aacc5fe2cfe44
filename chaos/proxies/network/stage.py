"""One toxic at work on one direction of one connection."""

from __future__ import annotations

import asyncio
import types
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from typing import TYPE_CHECKING

from chaos.proxies.network.chunk import Chunk, End
from chaos.proxies.network.toxic import Buffered, Cleanup, Placed, Rng, Toxic
from chaos.proxies.network.toxics.noop import Noop

if TYPE_CHECKING:
    from chaos.clock import Clock

# The loop's timers count whole milliseconds: what is left below this is polled for.
_POLL_BELOW_S = 0.0005
# The loop cannot count further; nothing waits a year.
_LONGEST_TIMER_S = 365 * 86_400.0


@types.coroutine
def _suspend() -> Generator[None, None, None]:
    """Give the stage back its control until it resumes the toxic."""
    yield


class Stage:
    """A place in a link's chain: a queue of chunks, and a toxic's `pipe` that takes from it.

    The stage drives `pipe` itself, with no task of the loop in between, so a chunk that nothing delays
    runs through the whole chain in one call. When `pipe` returns, the stage ends: by passing on the end
    that it received, or, if there was none yet, by closing the connection.
    """

    def __init__(
        self,
        placed: Placed,
        rng: Rng,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        relieved: Callable[[], None],
    ) -> None:
        self.placed = placed
        self.rng = rng
        self.passed_bytes = 0
        self.now = clock.monotonic
        self.pass_on: Callable[[Chunk], None]
        self.pass_end: Callable[[End], None]
        self._loop = loop
        self._relieved = relieved
        self._queue: deque[Chunk] = deque()
        self._end: End | None = None
        self._closed = False
        self._taking = False
        self._interrupted = False
        self._deadline = 0.0
        self._timer: asyncio.Handle | None = None
        self._toxic: Toxic = placed.toxic
        self._capacity = 1
        self._running: Coroutine[None, None, None] | None = None

    # What the link calls.

    def start(self) -> None:
        """Roll for toxicity and set the toxic, or nothing in its stead, to work."""
        if self._closed:
            return
        hit = self.rng.random() < self.placed.toxicity
        self._toxic = self.placed.toxic if hit else Noop()
        self._capacity = self._toxic.buffer_chunks if isinstance(self._toxic, Buffered) else 1
        self._interrupted = False
        self._running = self._toxic.pipe(self)
        self._resume()

    def push(self, chunk: Chunk) -> None:
        """Take in one chunk."""
        if self._closed:
            return
        self._queue.append(chunk)
        if self._taking:
            self._resume()

    def push_end(self, end: End) -> None:
        """Take in the end, which comes after all chunks."""
        if self._closed or self._end is not None:
            return
        self._end = end
        if self._taking:
            self._resume()

    def update(self) -> None:
        """Go on under the changed attributes and a fresh roll; what is held goes out at once."""
        self._interrupt()
        self.start()

    def remove(self) -> None:
        """Let go of everything that is held, or close the connection where the toxic says so."""
        self._interrupt()
        if not self._closed and isinstance(self._toxic, Cleanup):
            self._toxic.cleanup(self)
        while self._queue and not self._closed:
            self.pass_on(self._queue.popleft())
        if self._end is not None:
            self._finish(self._end)

    def kill(self) -> None:
        """Drop everything: there is nobody left to deliver to."""
        self._closed = True
        self._queue.clear()
        self._cancel_timer()
        if self._running is not None:
            running, self._running = self._running, None
            running.close()

    @property
    def full(self) -> bool:
        """Whether the source should wait before it sends more."""
        return len(self._queue) >= self._capacity and not self._closed

    # What a toxic calls.

    async def take(self, within_s: float | None = None) -> Chunk | None:
        """The next chunk; None when the stream has ended, or nothing came within `within_s` seconds."""
        # An interrupted toxic that asks for more has sent all it held, and is stopped here.
        if self._interrupted or (not self._queue and self._end is None):
            if within_s is not None:
                self._arm(self.now() + within_s)
            self._taking = True
            await _suspend()
            self._taking = False
            self._cancel_timer()
        if not self._queue:
            return None
        chunk = self._queue.popleft()
        self._relieved()
        return chunk

    def __aiter__(self) -> AsyncIterator[Chunk]:
        """All chunks until the stream ends."""
        return self

    async def __anext__(self) -> Chunk:
        """The next chunk of `async for`."""
        chunk = await self.take()
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def wait(self, seconds: float) -> bool:
        """Let `seconds` pass; True when cut short because the toxic is being changed or removed."""
        return await self.wait_until(self.now() + seconds)

    async def wait_until(self, moment: float) -> bool:
        """As `wait`, until a `moment` of the monotonic clock in seconds."""
        if not self._interrupted and moment > self.now():
            self._arm(moment)
            await _suspend()
            self._cancel_timer()
        return self._interrupted

    def send(self, chunk: Chunk) -> None:
        """Pass a chunk on."""
        if chunk.data and not self._closed:
            self.passed_bytes += len(chunk.data)
            self.pass_on(chunk)

    def close(self) -> None:
        """Close the connection, once what was sent before has been delivered."""
        self._finish(End.CLOSE)

    def reset(self) -> None:
        """Break the connection off with a TCP RST."""
        self._finish(End.RESET)

    # How it works.

    def _resume(self) -> None:
        assert self._running is not None
        try:
            self._running.send(None)
        except StopIteration:
            self._running = None
            if not self._interrupted:
                self._finish(self._end if self._end is not None and not self._queue else End.CLOSE)

    def _interrupt(self) -> None:
        self._interrupted = True
        self._cancel_timer()
        # A toxic that waits holds a chunk and is let run until it has sent it; one that takes holds none.
        while self._running is not None and not self._taking:
            self._resume()
        self._taking = False
        if self._running is not None:
            running, self._running = self._running, None
            running.close()

    def _finish(self, end: End) -> None:
        if self._closed:
            return
        self._closed = True
        self._queue.clear()
        self._cancel_timer()
        self.pass_end(end)

    def _arm(self, deadline: float) -> None:
        self._deadline = deadline
        left_s = deadline - self.now()
        if left_s < _POLL_BELOW_S:
            self._timer = self._loop.call_soon(self._tick)
        else:
            self._timer = self._loop.call_later(min(left_s, _LONGEST_TIMER_S), self._tick)

    def _tick(self) -> None:
        if self.now() < self._deadline:
            self._arm(self._deadline)
        else:
            self._timer = None
            self._resume()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
