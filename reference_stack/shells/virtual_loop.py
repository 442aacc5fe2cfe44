"""Virtual time: an asyncio loop whose clock jumps to the next event, and the runtime of a component in it.

Nothing here can reach a network: the loop has no file descriptors and refuses whatever needs one.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from types import coroutine
from typing import Any, NoReturn, TypeVar, TypeVarTuple

from reference_stack.ports import Semaphore, Task
from reference_stack.runtime import Ended, OwnedTasks, Timer

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

OWNER: contextvars.ContextVar[object] = contextvars.ContextVar("owner", default=None)
"""Whose work runs: callbacks and tasks inherit it, so that a component can be paused as a whole."""


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
    """

    def __init__(self, start: float = 0.0) -> None:
        super().__init__()
        self._now = start
        self._heap: list[tuple[float, int, _Call]] = []
        self._sequence = 0
        self._soon: deque[_Call] = deque()
        self._paused: dict[object, deque[_Call]] = {}

    def time(self) -> float:
        """The virtual time, in seconds."""
        return self._now

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Call back at this moment, after what is ready already."""
        handle = _Call(self._now, callback, args, self, context)
        self._soon.append(handle)
        return handle

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
        self._sequence += 1
        heapq.heappush(self._heap, (when, self._sequence, timer))
        return timer

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call back after `delay` seconds."""
        when = self._now + delay
        timer = _Call(when, callback, args, self, context)
        self._sequence += 1
        heapq.heappush(self._heap, (when, self._sequence, timer))
        return timer

    def run_until(self, moment: float, wake: Callable[[], bool] | None = None) -> None:
        """Let time pass until `moment`, in seconds, or until `wake` says so; it is asked at each instant.

        Everything due at the instant is done before this returns. Synchronous.
        """
        if self.is_running():
            raise RuntimeError("the loop runs already")
        asyncio._set_running_loop(self)
        try:
            while True:
                self._run_ready()
                if wake is not None and wake():
                    return
                if not self._advance(moment):
                    break
        finally:
            asyncio._set_running_loop(None)
        self._now = max(self._now, moment)

    def pause(self, owner: object) -> None:
        """Hold back whatever belongs to `owner` from now on."""
        self._paused.setdefault(owner, deque())

    def resume(self, owner: object) -> None:
        """Let `owner` go on with what was held back, in order."""
        self._soon.extend(self._paused.pop(owner, ()))

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
            raise Deadlock(f"at {self._now} s nothing is left to happen, and something is waited for")
        self._run_ready()

    def _run_ready(self) -> None:
        ready = self._soon
        while ready:
            handle = ready.popleft()
            if handle._cancelled:
                continue
            context = handle._context
            if self._paused:
                held = self._paused.get(context.get(OWNER))
                if held is not None:
                    held.append(handle)
                    continue
            context.run(handle._callback, *handle._args)

    def _advance(self, limit: float) -> bool:
        """Jump to the next moment up to `limit` and make ready all that is due then."""
        heap = self._heap
        while heap and heap[0][2]._cancelled:
            heapq.heappop(heap)
        if not heap or heap[0][0] > limit:
            return False
        self._now = max(self._now, heap[0][0])
        while heap and heap[0][0] <= self._now:
            self._soon.append(heapq.heappop(heap)[2])
        return True

    def _write_to_self(self) -> None:
        """There is no other thread to wake."""

    getaddrinfo = getnameinfo = create_connection = create_server = _refuse
    create_datagram_endpoint = create_unix_connection = create_unix_server = _refuse
    connect_accepted_socket = connect_read_pipe = connect_write_pipe = _refuse
    subprocess_exec = subprocess_shell = add_reader = add_writer = _refuse
    sock_connect = sock_accept = sock_recv = sock_sendall = sendfile = start_tls = _refuse
    add_signal_handler = _refuse


@coroutine
def _once() -> Generator[None, None, None]:
    yield


class _Done:
    """Work that ended without having to wait, as a task would tell it."""

    __slots__ = ("_error", "_result")

    def __init__(self, result: object, error: BaseException | None = None) -> None:
        self._result = result
        self._error = error

    def cancelled(self) -> bool:
        return isinstance(self._error, asyncio.CancelledError)

    def exception(self) -> BaseException | None:
        return self._error

    def result(self) -> Any:
        return self._result


class _Waits:
    """Work that has begun and waits for something."""

    __slots__ = ("waits_for",)

    def __init__(self, waits_for: object) -> None:
        self.waits_for = waits_for


def _begin(work: Coroutine[Any, Any, object]) -> _Done | _Waits:
    try:
        return _Waits(work.send(None))
    except StopIteration as stop:
        return _Done(stop.value)
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 (told to who asked, as a task would)
        return _Done(None, error)


@coroutine
def _rest(work: Coroutine[Any, Any, object], waits_for: object) -> Generator[object, object, object]:
    while True:
        try:
            sent = yield waits_for
        except BaseException as error:  # noqa: BLE001 (handed to the work itself, which answers it)
            step = partial(work.throw, error)
        else:
            step = partial(work.send, sent)
        try:
            waits_for = step()
        except StopIteration as stop:
            return stop.value


async def _go_on(work: Coroutine[Any, Any, object], waits_for: object) -> object:
    return await _rest(work, waits_for)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class VirtualRuntime:
    """A component's runtime in a virtual loop; it owns what it spawns, and ends it when it is closed.

    The calendar is the loop's time divided by `day_seconds`.
    """

    def __init__(
        self, loop: VirtualLoop, day_seconds: float, *, on_error: Callable[[BaseException], object]
    ) -> None:
        self.loop = loop
        self.context = contextvars.Context()
        self.context.run(OWNER.set, self)
        self.closed = False
        self.tasks = OwnedTasks(on_error)
        self._day_seconds = day_seconds

    @property
    def day_seconds(self) -> float:
        """Operational seconds in a calendar day."""
        return self._day_seconds

    def now(self) -> float:
        """Operational seconds since the scenario's start."""
        return self.loop.time()

    def day(self) -> float:
        """Calendar days since the scenario's start."""
        return self.loop.time() / self._day_seconds

    async def sleep(self, seconds: float) -> None:
        """Let operational `seconds` pass."""
        self._alive()
        if seconds <= 0:
            await _once()
            return
        await self._wait_for(self.loop.time() + seconds)

    async def until(self, day: float) -> None:
        """Wait for a moment of the calendar; returns at once if it is past."""
        self._alive()
        moment = day * self._day_seconds
        if moment > self.loop.time():
            await self._wait_for(moment)

    async def timeout(self, seconds: float, work: Awaitable[T]) -> T:
        """Wait for `work` for `seconds` at most, else cancel it and raise TimeoutError."""
        if asyncio.current_task(self.loop) is None:
            await _once()  # asyncio's timeout cancels a task, and `start_task` begins without one
        async with asyncio.timeout(seconds):
            return await work

    def semaphore(self, permits: int) -> Semaphore:
        """A semaphore with `permits` permits."""
        return asyncio.Semaphore(permits)

    def spawn(self, work: Coroutine[Any, Any, object]) -> Task:
        """Start work that outlives the caller; it ends with the component."""
        return self.tasks.spawn(self.loop, work, self.context)

    async def blocking(self, work: Callable[[], T], cost_ms: float) -> T:
        """Let `cost_ms` pass, then run the work inline."""
        await self.sleep(cost_ms / 1000)
        return work()

    def later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Call back after operational `seconds`."""
        return self.loop.call_later(seconds, callback, context=self.context)

    def start_task(self, work: Coroutine[Any, Any, object], ended: Ended) -> None:
        """Start work of the component's and call `ended` afterwards.

        It begins at once, and becomes a task where it has to wait: most of what is asked never does, and a
        task costs more than its answer.
        """
        if self.closed:
            work.close()
            ended(_Done(None, asyncio.CancelledError()))
            return
        if asyncio._get_running_loop() is None:
            self.tasks.spawn(
                self.loop, work, self.context, ended
            )  # asked from outside: it begins when time does
            return
        begun = _begin(work) if OWNER.get() is self else self.context.run(_begin, work)
        if isinstance(begun, _Done):
            ended(begun)
        else:
            self.tasks.spawn(self.loop, _go_on(work, begun.waits_for), self.context, ended)

    def pause(self) -> None:
        """Stop the component where it stands."""
        self.loop.pause(self)

    def resume(self) -> None:
        """Let it go on."""
        self.loop.resume(self)

    def close(self) -> None:
        """End the component: its tasks are cancelled and can do nothing more, not even in a `finally`."""
        self.closed = True
        self.loop.resume(self)
        self.tasks.on_error = _forget
        self.tasks.cancel()

    def _alive(self) -> None:
        if self.closed:
            raise asyncio.CancelledError

    async def _wait_for(self, moment: float) -> None:
        future = self.loop.create_future()
        timer = self.loop.call_at(moment, _wake, future, context=self.context)
        try:
            await future
        finally:
            timer.cancel()


def _forget(_error: BaseException) -> None:
    """What a killed component might have said is lost with it."""
