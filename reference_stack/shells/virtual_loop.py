"""Virtual time: an asyncio loop whose clock jumps to the next event.

Nothing here can reach a network: the loop has no file descriptors and refuses whatever needs one.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import itertools
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, NoReturn, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

OWNER: contextvars.ContextVar[object] = contextvars.ContextVar("owner", default=None)
"""Whose work runs: asyncio's callbacks and tasks inherit it, so that a component can be paused as a whole."""

GC_THRESHOLDS = (200_000, 20, 100)
"""While the loop runs, cycles are looked for seldom: views make none, and the search is costly."""
_HANDLE = object()
"""In the place of an owner: what is to be run is a handle of asyncio's, which knows its context."""


class Deadlock(RuntimeError):
    """Something is waited for that nothing will bring about."""


class NoNetwork(RuntimeError):
    """A real socket, file descriptor, name look-up or process was asked for in virtual time."""


def _refuse(*_: object, **__: object) -> NoReturn:
    raise NoNetwork("there are no sockets, descriptors or processes in virtual time")


class _Call(asyncio.TimerHandle):
    """A callback to come: asyncio's own handle without its bookkeeping, which costs a third of a view."""

    __slots__ = ()

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: VirtualLoop,
        context: contextvars.Context | None,
    ) -> None:
        self._when = when
        self._callback = callback
        self._args = args
        self._loop = loop
        self._context = contextvars.copy_context() if context is None else context
        self._cancelled = False
        self._repr = self._source_traceback = None

    def cancel(self) -> None:
        """Call it off; it is dropped when its moment comes."""
        self._cancelled = True
        self._callback, self._args = _nothing, ()


def _nothing() -> None:
    """What a cancelled callback does."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop in virtual time. Time is in seconds and starts at `start`, which may be negative.

    Timers go off in the order (moment, order of their making); what is ready runs first in, first out. An
    exception that a callback lets out leaves the loop's run at once.

    Besides asyncio's handles there are plain entries (`soon`, `at`): an owner, a function and its argument,
    a third of the price.
    """

    def __init__(self, start: float = 0.0) -> None:
        super().__init__()
        self.now = start
        """The virtual time, in seconds; only the loop sets it."""
        self.runs = False
        """Whether `run_until` is at work."""
        self._heap: list[tuple[float, int, object, Any, Any]] = []
        self._sequence = itertools.count(1).__next__
        self._soon: deque[tuple[object, Any, Any]] = deque()
        self.paused: dict[object, deque[tuple[object, Any, Any]]] = {}
        """What is held back, by its owner."""

    def time(self) -> float:
        """The virtual time, in seconds."""
        return self.now

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Call back at this moment, after what is ready already."""
        handle = _Call(self.now, callback, args, self, context)
        self._soon.append((_HANDLE, handle, None))
        return handle

    def soon(self, owner: object, callback: Callable[[Any], object], argument: object) -> None:
        """Call back at this moment, after what is ready already, unless `owner` is paused."""
        self._soon.append((owner, callback, argument))

    def at(self, when: float, owner: object, callback: Callable[[Any], object], argument: object) -> None:
        """Call back when the virtual time is `when`; there is no calling it off."""
        heappush(self._heap, (when, self._sequence(), owner, callback, argument))

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """The same as `call_soon`: there are no other threads."""
        return self.call_soon(callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call back when the virtual time is `when`, or at once if that is past."""
        timer = _Call(when, callback, args, self, context)
        heappush(self._heap, (when, self._sequence(), _HANDLE, timer, None))
        return timer

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call back after `delay` seconds."""
        when = self.now + delay
        timer = _Call(when, callback, args, self, context)
        heappush(self._heap, (when, self._sequence(), _HANDLE, timer, None))
        return timer

    def run_until(self, moment: float, wake: Callable[[], bool] | None = None) -> None:
        """Let time pass until `moment`, in seconds, or until `wake` says so; it is asked at each instant.

        Everything due at the instant is done before this returns. Synchronous.
        """
        if self.runs or self.is_running():
            raise RuntimeError("the loop runs already")
        asyncio._set_running_loop(self)
        self.runs = True
        thresholds = gc.get_threshold()
        gc.set_threshold(*GC_THRESHOLDS)
        try:
            self._run_until(moment, wake)
        finally:
            gc.set_threshold(*thresholds)
            self.runs = False
            asyncio._set_running_loop(None)

    def _run_until(self, moment: float, wake: Callable[[], bool] | None) -> None:
        heap, ready, paused, pop = self._heap, self._soon, self.paused, heappop
        while True:
            if ready:
                self._run_ready()
            if wake is not None and wake():
                return
            if not heap or heap[0][0] > moment:
                break
            when, _, owner, callback, argument = pop(heap)
            if owner is _HANDLE or paused or (heap and heap[0][0] <= when):
                self._due(when, owner, callback, argument)
                continue
            # Alone at its moment, as nearly everything is.
            if when > self.now:  # noqa: PLR1730 (max() costs as much as all the rest)
                self.now = when
            callback(argument)
        self.now = max(self.now, moment)

    def pause(self, owner: object) -> None:
        """Hold back whatever belongs to `owner` from now on."""
        self.paused.setdefault(owner, deque())

    def resume(self, owner: object) -> None:
        """Let `owner` go on with what was held back, in order."""
        self._soon.extend(self.paused.pop(owner, ()))

    def run_in_executor(  # type: ignore[override]
        self,
        executor: object,  # noqa: ARG002
        func: Callable[..., T],
        *args: Any,
    ) -> asyncio.Future[T]:
        """Run `func` at once, in this thread."""

        async def inline() -> T:
            return func(*args)

        return self.create_task(inline())

    def _run_once(self) -> None:
        """One step of the base class's run_forever."""
        if not self._soon and not self._advance(float("inf")):
            raise Deadlock(f"at {self.now} s nothing is left to happen, and something is waited for")
        self._run_ready()

    def _run_ready(self) -> None:
        ready, paused = self._soon, self.paused
        while ready:
            owner, callback, argument = entry = ready.popleft()
            if owner is _HANDLE:
                if callback._cancelled:
                    continue
                owner = callback._context.get(OWNER) if paused else None
            if paused and owner in paused:
                paused[owner].append(entry)
            elif entry[0] is _HANDLE:
                callback._context.run(callback._callback, *callback._args)
            else:
                callback(argument)

    def _due(self, when: float, owner: object, callback: Any, argument: object) -> None:
        """Make ready what was taken from the heap, and all that is due with it."""
        if owner is _HANDLE and callback._cancelled:
            return
        self.now = max(self.now, when)
        self._soon.append((owner, callback, argument))
        heap = self._heap
        while heap and heap[0][0] <= self.now:
            self._soon.append(heappop(heap)[2:])

    def _advance(self, limit: float) -> bool:
        """Jump to the next moment up to `limit` and make ready all that is due then."""
        while self._heap and self._heap[0][0] <= limit:
            when, _, owner, callback, argument = heappop(self._heap)
            self._due(when, owner, callback, argument)
            if self._soon:
                return True
        return False

    def _write_to_self(self) -> None:
        """There is no other thread to wake."""

    getaddrinfo = getnameinfo = create_connection = create_server = _refuse
    create_datagram_endpoint = create_unix_connection = create_unix_server = _refuse
    connect_accepted_socket = connect_read_pipe = connect_write_pipe = _refuse
    subprocess_exec = subprocess_shell = add_reader = add_writer = _refuse
    sock_connect = sock_accept = sock_recv = sock_sendall = sendfile = start_tls = _refuse
    add_signal_handler = _refuse
