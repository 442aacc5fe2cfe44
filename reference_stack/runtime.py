"""Time and concurrency: the live runtime, and what it shares with the virtual one.

Only this module reads the machine's clock or sleeps, and `shop/greenlets.py` for the shop's greenlets. What
waits for a socket, a process or another thread has limits of its own.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from reference_stack.ports import Runtime, Semaphore, Task

T = TypeVar("T")

LATE_DAYS = 0.1
"""A timer later than this, in days, counts as lag."""
LAG_DAYS = 0.25
"""Lag that lasts for longer than this, in days, is reported."""
TICK_DAYS = 0.05
"""How often a live runtime measures the lateness of a timer of its own, in days."""


def monotonic() -> float:
    """Seconds of the machine's monotonic clock, the same in all of its processes."""
    return time.monotonic()


def stand_by(seconds: float) -> None:
    """Block this thread: for what waits for another process and has no events to wait for."""
    time.sleep(seconds)


def epoch_ms() -> int:
    """The date, in milliseconds since 1970: only for what foreign systems stamp their records with."""
    return int(time.time() * 1000)


def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that hands no wait on to a loop: it has none, or each blocks its thread or greenlet.

    Raises RuntimeError for any other.
    """
    try:
        work.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    work.close()
    raise RuntimeError(f"{work!r} waits for something that does not block")


class Waited:
    """What has been waited for in the course of one piece of work, operational seconds."""

    __slots__ = ("seconds",)

    def __init__(self) -> None:
        self.seconds = 0.0


WAITED: contextvars.ContextVar[Waited | None] = contextvars.ContextVar("WAITED", default=None)
"""Where waits are noted, if somebody measures the work that goes on."""


class Timer(Protocol):
    """Something that will happen, unless it is cancelled."""

    def cancel(self) -> None:
        """Call it off."""
        ...


class Finished(Protocol):
    """Work that has ended: a task, or what never needed one."""

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        ...

    def exception(self) -> BaseException | None:
        """What it raised, if anything."""
        ...

    def result(self) -> Any:
        """What it returned."""
        ...


Ended = Callable[[Finished], object]
"""Told of the end of some work, to see to its result or exception."""
LATER: Any = object()
"""In the place of a result: it has still to come."""


class Caller(Protocol):
    """Whoever is told of the end of some work, in one way or the other."""

    def answered(self, result: Any) -> None:
        """It has come to its end, with this result."""
        ...

    def ended(self, task: Finished) -> None:
        """It has ended somehow: to see to its result or exception."""
        ...


class ShellRuntime(Runtime, Protocol):
    """What a shell needs besides: a timer without a task, and tasks whose end it is told of."""

    def after(self, seconds: float, callback: Callable[[object], object]) -> None:
        """Call back with None after operational `seconds`, come what may."""
        ...

    def begin(self, work: Coroutine[Any, Any, object], caller: Callable[[], Caller]) -> Any:
        """The result of some work of the component's, if it need not wait; else LATER, and `caller`, asked
        once, gives who is told of its end.
        """
        ...


class OwnedTasks:
    """The tasks of one component, so that they can be ended together, in the order of their start.

    A task that breaks, and has nobody who is told of its end, tells `on_error`: nothing is swallowed.
    """

    def __init__(self, on_error: Callable[[BaseException], object]) -> None:
        self.on_error = on_error
        self._tasks: dict[asyncio.Task[Any], Ended | None] = {}

    def spawn(
        self,
        loop: asyncio.AbstractEventLoop,
        work: Coroutine[Any, Any, object],
        ended: Ended | None = None,
    ) -> asyncio.Task[Any]:
        """Start work as a task of this component."""
        task = asyncio.Task(work, loop=loop)
        self._tasks[task] = ended
        task.add_done_callback(self._ended)
        return task

    def cancel(self) -> None:
        """Cancel all, oldest first."""
        for task in list(self._tasks):
            task.cancel()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        ended = self._tasks.pop(task)
        if ended is not None:
            ended(task)
        elif not task.cancelled() and (error := task.exception()) is not None:
            self.on_error(error)


@dataclass
class LagAccount:
    """Lateness of a component's own timers: more than `late_days` for more than `lag_days` is reported.

    A spell of lag begins when a timer became later than `late_days`, and ends with the first one in time.
    It is reported when it has lasted long enough, and again after each further `lag_days`.
    """

    report: Callable[[float, float], object]
    late_days: float = LATE_DAYS
    lag_days: float = LAG_DAYS
    _since: float | None = None
    _worst: float = 0.0
    _reported: float = 0.0

    def woke(self, due_day: float, day: float) -> None:
        """Note a timer that was due on `due_day` and went off on `day`."""
        late = day - due_day
        if late <= self.late_days:
            self._since = None
            return
        if self._since is None:
            self._since = due_day + self.late_days
            self._worst = self._reported = 0.0
        self._worst = max(self._worst, late)
        over = day - self._since
        if over > self._reported + self.lag_days:
            self._reported = over
            self.report(self._worst, over)


class LiveClock:
    """The clock of a component in a real process, and its calendar.

    It stands at 0 until there is an origin; then `now` counts from that, a value of the monotonic clock
    shared by all components of an arm on the machine, and is negative before it.
    """

    def __init__(self, day_seconds: float, on_lag: Callable[[float, float], object]) -> None:
        self._day_seconds = day_seconds
        self._origin: float | None = None
        self._ahead_days = 0.0
        self._lag = LagAccount(on_lag)

    @property
    def day_seconds(self) -> float:
        """Operational seconds in a calendar day."""
        return self._day_seconds

    def now(self) -> float:
        """Operational seconds since the origin; 0 before the start."""
        return 0.0 if self._origin is None else time.monotonic() - self._origin

    def day(self) -> float:
        """Calendar days since the origin; 0 before the start."""
        return self.now() / self._day_seconds + self._ahead_days

    def move_clock(self, ahead_days: float) -> None:
        """Set the calendar so far ahead of the true one. Timers that are set already stay as they are."""
        self._ahead_days = ahead_days

    def _woke(self, due: float) -> None:
        """Note a timer that was due at a moment of the monotonic clock and goes off now."""
        if self._origin is not None:
            self._lag.woke((due - self._origin) / self._day_seconds, self.now() / self._day_seconds)


class LiveRuntime(LiveClock):
    """A component's runtime in a real process: asyncio and the monotonic clock.

    Until `start(origin)` `until` waits. `on_work` is told of blocking work: its name, and how many
    milliseconds it took.
    """

    def __init__(
        self,
        day_seconds: float,
        *,
        on_lag: Callable[[float, float], object],
        on_error: Callable[[BaseException], object],
        on_work: Callable[[str, float], object],
    ) -> None:
        super().__init__(day_seconds, on_lag)
        self._on_work = on_work
        self._started = asyncio.Event()
        self._tasks = OwnedTasks(on_error)

    def start(self, origin: float) -> None:
        """Begin to count from `origin`, in seconds of the monotonic clock, and to measure lag."""
        self._origin = origin
        self._started.set()
        self.spawn(self._watch_lag())

    async def started(self) -> None:
        """Wait until the count has begun."""
        await self._started.wait()

    async def sleep(self, seconds: float) -> None:
        """Let operational `seconds` pass."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        due = time.monotonic() + seconds
        await self._sleep_until(due)

    async def until(self, day: float) -> None:
        """Wait for a moment of the calendar; returns at once if it is past."""
        await self._started.wait()
        remaining = (day - self._ahead_days) * self._day_seconds - self.now()
        if remaining > 0:
            await self._sleep_until(time.monotonic() + remaining)

    async def timeout(self, seconds: float, work: Awaitable[T]) -> T:
        """Wait for `work` for `seconds` at most, else cancel it and raise TimeoutError."""
        async with asyncio.timeout(seconds):
            return await work

    def semaphore(self, permits: int) -> Semaphore:
        """A semaphore with `permits` permits."""
        return asyncio.Semaphore(permits)

    def spawn(self, work: Coroutine[Any, Any, object]) -> Task:
        """Start work that outlives the caller; it ends with the component."""
        return self._tasks.spawn(asyncio.get_running_loop(), work)

    async def blocking(self, work: Callable[[], T], what: str) -> T:
        """Run work in a thread; it takes as long as it takes."""
        began = time.monotonic()
        result = await asyncio.to_thread(work)
        took = time.monotonic() - began
        _note_wait(took)
        self._on_work(what, 1000 * took)
        return result

    def after(self, seconds: float, callback: Callable[[object], object]) -> None:
        """Call back with None after operational `seconds`, to the resolution of the event loop."""
        asyncio.get_running_loop().call_later(seconds, callback, None)

    def start_task(self, work: Coroutine[Any, Any, object], ended: Ended) -> None:
        """Start work of the component's and call `ended` with its task afterwards."""
        self._tasks.spawn(asyncio.get_running_loop(), work, ended=ended)

    def begin(self, work: Coroutine[Any, Any, object], caller: Callable[[], Caller]) -> Any:
        """Start work of the component's in a task of its own: LATER, always."""
        self.start_task(work, caller().ended)
        return LATER

    def close(self) -> None:
        """Cancel the component's tasks."""
        self._tasks.cancel()

    async def _sleep_until(self, due: float) -> None:
        _note_wait(due - time.monotonic())
        # uvloop counts in whole milliseconds and may wake up to 0.7 ms early.
        while (remaining := due - time.monotonic()) > 0:
            await asyncio.sleep(remaining)
        self._woke(due)

    async def _watch_lag(self) -> None:
        while True:
            await self.sleep(TICK_DAYS * self._day_seconds)


def _note_wait(seconds: float) -> None:
    if (waited := WAITED.get()) is not None:
        waited.seconds += seconds
