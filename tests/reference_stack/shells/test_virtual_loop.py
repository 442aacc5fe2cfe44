import asyncio
import socket

import pytest

from reference_stack.costs import Costs
from reference_stack.shells.virtual_loop import Deadlock, NoNetwork, VirtualLoop
from reference_stack.shells.virtual_runtime import VirtualRuntime

COSTS = Costs(work_ms={"echo.long": 500.0, "echo.short": 10.0})


@pytest.fixture
def loop():
    loop = VirtualLoop()
    yield loop
    loop.close()


def _runtime(loop: VirtualLoop, day_seconds: float = 2.0) -> VirtualRuntime:
    return VirtualRuntime(loop, day_seconds, on_error=pytest.fail, costs=COSTS)


def test_timers_go_off_by_moment_then_by_order_of_making(loop: VirtualLoop) -> None:
    said: list[str] = []
    for moment, name in ((0.2, "c"), (0.1, "a"), (0.1, "b")):
        loop.call_at(moment, said.append, name)
    loop.call_soon(said.append, "now")
    loop.run_until(1.0)
    assert said == ["now", "a", "b", "c"]
    assert loop.time() == 1.0


def test_time_stops_at_the_moment_asked_for(loop: VirtualLoop) -> None:
    said: list[float] = []
    for moment in (1.0, 2.0, 3.0):
        loop.call_at(moment, lambda: said.append(loop.time()))
    loop.run_until(2.0)
    assert said == [1.0, 2.0]
    loop.run_until(2.5)
    assert said == [1.0, 2.0]
    assert loop.time() == 2.5


def test_a_wake_returns_at_its_instant_with_all_of_it_done(loop: VirtualLoop) -> None:
    said: list[str] = []
    loop.call_at(1.0, said.append, "a")
    loop.call_at(1.0, said.append, "b")
    loop.call_at(2.0, said.append, "c")
    loop.run_until(9.0, lambda: "a" in said)
    assert said == ["a", "b"]
    assert loop.time() == 1.0


def test_a_cancelled_timer_does_not_move_the_clock(loop: VirtualLoop) -> None:
    said: list[float] = []
    loop.call_at(1.0, pytest.fail).cancel()
    loop.call_at(2.0, lambda: said.append(loop.time()))
    loop.run_until(3.0, lambda: bool(said))
    assert loop.time() == 2.0


def test_time_may_start_before_zero() -> None:
    loop = VirtualLoop(-36.0)
    runtime = _runtime(loop)
    assert runtime.day() == -18.0

    async def work() -> None:
        await runtime.until(0.0)

    loop.run_until_complete(work())
    assert runtime.now() == 0.0
    loop.close()


def test_waiting_for_what_nothing_brings_is_an_error(loop: VirtualLoop) -> None:
    with pytest.raises(Deadlock):
        loop.run_until_complete(loop.create_future())


def test_an_exception_in_a_callback_leaves_the_run(loop: VirtualLoop) -> None:
    loop.call_later(1.0, lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        loop.run_until(2.0)


def test_the_network_is_out_of_reach(loop: VirtualLoop) -> None:
    with pytest.raises(NoNetwork):
        loop.run_until_complete(asyncio.wait_for(_connect(), 1))
    with socket.socket() as one, pytest.raises(NoNetwork):
        loop.add_reader(one, print)


async def _connect() -> None:
    await asyncio.open_connection("127.0.0.1", 9)


def test_asyncio_itself_works_in_it(loop: VirtualLoop) -> None:
    async def work() -> tuple[str, float]:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        results = await asyncio.gather(asyncio.sleep(3, "x"), asyncio.to_thread(lambda: "inline"))
        return "".join(results), loop.time()

    assert loop.run_until_complete(work()) == ("xinline", 8.0)


def test_an_executor_hands_on_what_the_work_raises(loop: VirtualLoop) -> None:
    with pytest.raises(ZeroDivisionError):
        loop.run_until_complete(loop.run_in_executor(None, lambda: 1 / 0))


def test_the_runtime_counts_days_and_seconds(loop: VirtualLoop) -> None:
    runtime = _runtime(loop)

    async def work() -> list[float]:
        seen = [runtime.day()]
        await runtime.sleep(1.0)
        seen.append(runtime.day())
        await runtime.until(3.0)
        seen.append(runtime.now())
        await runtime.until(1.0)
        await runtime.sleep(0)
        assert await runtime.blocking(lambda: "done", "echo.long") == "done"
        return [*seen, runtime.now()]

    assert loop.run_until_complete(work()) == [0.0, 0.5, 6.0, 6.5]


def test_a_timeout_cancels_the_work(loop: VirtualLoop) -> None:
    runtime = _runtime(loop)
    ended: list[float] = []

    async def slow() -> None:
        try:
            await runtime.sleep(10)
        finally:
            ended.append(runtime.now())

    async def work() -> str:
        with pytest.raises(TimeoutError):
            await runtime.timeout(1.0, slow())
        return await runtime.timeout(1.0, runtime.blocking(lambda: "in time", "echo.short"))

    assert loop.run_until_complete(work()) == "in time"
    assert ended == [1.0]


def test_a_semaphore_serves_first_in_first_out(loop: VirtualLoop) -> None:
    runtime = _runtime(loop)
    permits = runtime.semaphore(1)
    order: list[int] = []

    async def one(number: int) -> None:
        await permits.acquire()
        order.append(number)
        await runtime.sleep(1)
        permits.release()

    for number in range(4):
        runtime.spawn(one(number))
    loop.run_until(0.5)
    assert permits.locked()
    loop.run_until(10)
    assert order == [0, 1, 2, 3]


def test_a_closed_runtime_ends_its_tasks_and_nothing_of_them_goes_on(loop: VirtualLoop) -> None:
    runtime = _runtime(loop)
    said: list[str] = []

    async def work() -> None:
        try:
            await runtime.sleep(1)
        finally:
            said.append("at the end")
            await runtime.sleep(1)
            said.append("later")

    task = runtime.spawn(work())
    loop.run_until(0.5)
    runtime.close()
    loop.run_until(5.0)
    assert task.done()
    assert said == ["at the end"]
    assert len(runtime.tasks) == 0


def test_a_task_that_breaks_is_told(loop: VirtualLoop) -> None:
    told: list[BaseException] = []
    runtime = VirtualRuntime(loop, 1.0, on_error=told.append, costs=COSTS)

    async def work() -> None:
        raise LookupError("lost")

    runtime.spawn(work())
    loop.run_until(1.0)
    assert [str(error) for error in told] == ["lost"]


def test_a_paused_component_stands_still_timeouts_and_all(loop: VirtualLoop) -> None:
    runtime, other = _runtime(loop, 1.0), _runtime(loop, 1.0)
    said: list[tuple[str, float]] = []

    async def tick(name: str, of: VirtualRuntime) -> None:
        while True:
            await of.sleep(1)
            said.append((name, of.now()))

    async def give_up() -> None:
        try:
            await runtime.timeout(1.5, runtime.sleep(9))
        except TimeoutError:
            said.append(("gave up", runtime.now()))

    runtime.spawn(tick("paused", runtime))
    runtime.spawn(give_up())
    other.spawn(tick("other", other))
    loop.run_until(0.5)
    runtime.pause()
    loop.run_until(3.5)
    assert said == [("other", 1.0), ("other", 2.0), ("other", 3.0)]
    runtime.resume()
    loop.run_until(3.9)
    assert said[3:] == [("paused", 3.5), ("gave up", 3.5)]
    runtime.close()
    other.close()
    loop.run_until(4.0)
