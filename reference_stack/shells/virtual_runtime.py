"""The runtime of a component in virtual time, and the light tasks that it runs.

A light task (`Work`) is driven by what it waits for: whatever settles a `Pending` goes on with the task at
once, without a future, a handle and a turn of the loop in between. asyncio's own futures may be awaited in
it too, and all of this in asyncio's own tasks.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, TypeVar

from reference_stack.costs import Costs
from reference_stack.ports import Semaphore
from reference_stack.runtime import LATER, Caller, Ended, Timer
from reference_stack.shells.virtual_loop import OWNER, VirtualLoop

T = TypeVar("T")


class Pending:
    """Something that one task waits for, settled at most once; `done` too where nobody waits any more.

    To a task of asyncio's it looks like a future.
    """

    __slots__ = ("_asyncio_future_blocking", "_callback", "done", "loop", "outcome", "work")

    def __init__(self, loop: VirtualLoop) -> None:
        self._asyncio_future_blocking = False
        self.loop = loop
        self.done = False
        self.outcome: Any = None
        self.work: Work | None = None
        self._callback: tuple[Callable[[Any], object], contextvars.Context | None] | None = None

    def settle(self, outcome: object) -> None:
        """Go on with whoever waits, now; where a component is paused, in its turn."""
        if self.done:
            return
        self.done = True
        self.outcome = outcome
        work = self.work
        if work is not None:
            self.work = None
            if self.loop.paused:
                self.loop.soon(work.runtime, work.step, None)
            else:
                work.step()
        elif self._callback is not None:
            self._call_back()

    def __await__(self) -> Generator[Pending, None, Any]:
        if not self.done:
            self._asyncio_future_blocking = True
            yield self
        return self.outcome

    # --- what asyncio's tasks ask of a future --------------------------------------------------------

    def get_loop(self) -> VirtualLoop:
        """The loop that it belongs to."""
        return self.loop

    def add_done_callback(
        self, callback: Callable[[Any], object], *, context: contextvars.Context | None = None
    ) -> None:
        """Have the one who waits called back."""
        self._callback = callback, context

    def cancel(self, msg: object = None) -> bool:  # noqa: ARG002
        """Give up waiting."""
        if self.done:
            return False
        self.give_up()
        self.outcome = asyncio.CancelledError()
        self._call_back()
        return True

    def give_up(self) -> None:
        """Nobody waits for it any more."""
        self.done, self.work = True, None

    def result(self) -> Any:
        """The outcome. Raises CancelledError for one that was given up."""
        if isinstance(self.outcome, asyncio.CancelledError):
            raise self.outcome
        return self.outcome

    def _call_back(self) -> None:
        if self._callback is not None:
            callback, context = self._callback
            self.loop.call_soon(callback, self, context=context)


class _Failed:
    """Work that failed without having to wait."""

    __slots__ = ("_error",)

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def cancelled(self) -> bool:
        return isinstance(self._error, asyncio.CancelledError)

    def exception(self) -> BaseException | None:
        return self._error

    def result(self) -> Any:
        raise self._error


class Work:
    """A task of a component's.

    Its end is told through `ended`, or its result through `answered`; an error, where there is neither,
    through the runtime.
    """

    __slots__ = (
        "_answered",
        "_ended",
        "_error",
        "_over",
        "_result",
        "_send",
        "_throw",
        "_waits",
        "_work",
        "runtime",
    )

    def __init__(
        self,
        runtime: VirtualRuntime,
        work: Coroutine[Any, Any, object],
        ended: Ended | None,
        answered: Callable[[Any], object] | None = None,
    ) -> None:
        self.runtime = runtime
        self._work = work
        self._send = work.send
        self._ended = ended
        self._answered = answered
        self._waits: Any = None
        self._throw: BaseException | None = None
        self._over = False
        self._result: object = None
        self._error: BaseException | None = None

    def step(self, _: object = None) -> None:
        """Go on to the next thing to wait for, or to the end."""
        if self._over:
            return
        self._waits = None
        try:
            if self._throw is None:
                waits = self._send(None)
            else:
                error, self._throw = self._throw, None
                waits = self._work.throw(error)
        except StopIteration as stop:
            self._end(stop.value, None)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 (told to whoever asked)
            self._end(None, error)
        else:
            # The work may have cancelled itself.
            if self._throw is None and isinstance(waits, Pending):  # type: ignore[redundant-expr]
                self._waits = waits
                waits.work = self
            else:
                self.wait_for(waits)

    def wait_for(self, waits: Any) -> None:
        """Go on once that has come: a Pending, a future of asyncio's, or (None) everybody else's turn."""
        runtime = self.runtime
        if self._throw is not None or waits is None:
            runtime.loop.soon(runtime, self.step, None)
        elif isinstance(waits, Pending):
            self._waits = waits
            waits.work = self
        else:
            self._waits = waits
            waits._asyncio_future_blocking = False
            waits.add_done_callback(self._woken, context=runtime.context)

    def cancel(self) -> None:
        """Raise CancelledError where it waits, in its turn."""
        if self._over or self._throw is not None:
            return
        self._throw = asyncio.CancelledError()
        waits, self._waits = self._waits, None
        if isinstance(waits, Pending):
            waits.give_up()
            self.runtime.loop.soon(self.runtime, self.step, None)
        elif waits is not None:
            waits.cancel()

    def done(self) -> bool:
        """Whether it has ended."""
        return self._over

    def cancelled(self) -> bool:
        """Whether it ended by being cancelled."""
        return isinstance(self._error, asyncio.CancelledError)

    def exception(self) -> BaseException | None:
        """What it raised."""
        return self._error

    def result(self) -> Any:
        """What it returned."""
        return self._result

    def _woken(self, future: asyncio.Future[object]) -> None:
        # A future that breaks says so by itself, to whoever awaits it: the work goes on in its `await`.
        if self._throw is None and future.cancelled():
            self._throw = asyncio.CancelledError()
        self.step()

    def _end(self, result: object, error: BaseException | None) -> None:
        self._over = True
        self._result, self._error = result, error
        self.runtime.tasks.pop(self, None)
        if error is None and self._answered is not None:
            self._answered(result)
        elif self._ended is not None:
            self._ended(self)
        elif error is not None and not isinstance(error, asyncio.CancelledError):
            self.runtime.on_error(error)


class _Later:
    """A callback to come that may be called off."""

    __slots__ = ("_callback",)

    def __init__(self, callback: Callable[[], object]) -> None:
        self._callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        """Call it off."""
        self._callback = None

    def due(self, _: object) -> None:
        """Its moment has come."""
        if self._callback is not None:
            self._callback()


class VirtualRuntime:
    """A component's runtime in a virtual loop; it owns what it spawns, and ends it when it is closed.

    The calendar is the loop's time divided by `day_seconds`.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        day_seconds: float,
        *,
        on_error: Callable[[BaseException], object],
        costs: Costs,
    ) -> None:
        self.loop = loop
        self.context = contextvars.Context()
        self.context.run(OWNER.set, self)
        self.closed = False
        self.on_error = on_error
        self.tasks: dict[Work, None] = {}
        """What has not ended, in the order of its start."""
        self._day_seconds = day_seconds
        self._costs = costs
        self._ahead_days = 0.0

    @property
    def day_seconds(self) -> float:
        """Operational seconds in a calendar day."""
        return self._day_seconds

    def now(self) -> float:
        """Operational seconds since the scenario's start."""
        return self.loop.now

    def day(self) -> float:
        """Calendar days since the scenario's start."""
        return self.loop.now / self._day_seconds + self._ahead_days

    def move_clock(self, ahead_days: float) -> None:
        """Set the calendar so far ahead of the true one. Timers that are set already stay as they are."""
        self._ahead_days = ahead_days

    async def sleep(self, seconds: float) -> None:
        """Let operational `seconds` pass."""
        self._alive()
        await self._moment(self.loop.now + max(0.0, seconds))

    def until(self, day: float) -> Awaitable[None]:
        """Wait for a moment of the calendar; returns at once if it is past."""
        if self.closed:
            raise asyncio.CancelledError
        loop = self.loop
        moment = (day - self._ahead_days) * self._day_seconds
        while moment / self._day_seconds + self._ahead_days < day:
            moment = math.nextafter(moment, math.inf)  # rounded down: who looks again would wait for ever
        pending = Pending(loop)
        if moment > loop.now:
            loop.at(moment, self, pending.settle, None)
        else:
            pending.done = True
        return pending

    async def timeout(self, seconds: float, work: Awaitable[T]) -> T:
        """Wait for `work` for `seconds` at most, else cancel it and raise TimeoutError."""
        ended = Pending(self.loop)
        inner = self.spawn(_result(work), ended.settle)
        late: list[bool] = []

        def expire() -> None:
            if not inner.done():
                late.append(True)
                inner.cancel()

        timer = self.later(seconds, expire)
        try:
            await ended
        except asyncio.CancelledError:
            inner.cancel()
            raise
        finally:
            timer.cancel()
        if late and inner.cancelled():
            raise TimeoutError
        if (error := inner.exception()) is not None:
            raise error
        result: T = inner.result()
        return result

    def semaphore(self, permits: int) -> Semaphore:
        """A semaphore with `permits` permits."""
        return asyncio.Semaphore(permits)

    def spawn(self, work: Coroutine[Any, Any, object], ended: Ended | None = None) -> Work:
        """Start work that outlives the caller; it ends with the component."""
        spawned = Work(self, work, ended)
        self.tasks[spawned] = None
        self.loop.soon(self, spawned.step, None)
        return spawned

    async def blocking(self, work: Callable[[], T], what: str) -> T:
        """Let the work's cost pass, then run it inline. Raises KeyError for a cost that nobody measured."""
        await self.sleep(self._costs.of_work(what) / 1000)
        return work()

    def after(self, seconds: float, callback: Callable[[object], object]) -> None:
        """Call back with None after operational `seconds`, come what may."""
        self.loop.at(self.loop.now + seconds, self, callback, None)

    def later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Call back after operational `seconds`."""
        later = _Later(callback)
        self.loop.at(self.loop.now + seconds, self, later.due, None)
        return later

    def begin(self, work: Coroutine[Any, Any, object], caller: Callable[[], Caller]) -> Any:
        """The result of some work of the component's; LATER where it has to wait, or has failed.

        It begins at once, and becomes a task where it has to wait: most of what is asked never does.
        """
        if self.closed:
            work.close()
            caller().ended(_Failed(asyncio.CancelledError()))
            return LATER
        if not self.loop.runs:
            self.spawn(work, caller().ended)  # asked from outside: it begins when time does
            return LATER
        try:
            waits = work.send(None)
        except StopIteration as stop:
            return stop.value
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 (told to whoever asked)
            caller().ended(_Failed(error))
            return LATER
        whose = caller()
        begun = Work(self, work, whose.ended, whose.answered)
        self.tasks[begun] = None
        begun.wait_for(waits)
        return LATER

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
        self.on_error = _forget
        for work in list(self.tasks):
            work.cancel()

    def _alive(self) -> None:
        if self.closed:
            raise asyncio.CancelledError

    def _moment(self, moment: float) -> Pending:
        pending = Pending(self.loop)
        self.loop.at(moment, self, pending.settle, None)
        return pending


async def _result(work: Awaitable[T]) -> T:
    return await work


def _forget(_error: BaseException) -> None:
    """What a killed component might have said is lost with it."""
