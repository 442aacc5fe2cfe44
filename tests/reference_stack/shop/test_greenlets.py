from __future__ import annotations

import asyncio
import importlib.util
import sys
import types
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from reference_stack.messages import RECOMMEND, SCRAPE, Empty, RecommendRequest
from reference_stack.ports import Failed, NotFound, TimedOut, Unreachable
from reference_stack.runtime import run_to_end
from reference_stack.shop.greenlets import GreenletPort, GreenletRuntime

pytestmark = pytest.mark.processes
REQUEST = RecommendRequest(view="0-1", customer=2, segment=3)


@pytest.fixture
def site() -> Iterator[Any]:
    spec = importlib.util.spec_from_file_location("tiny_site", Path(__file__).with_name("site.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["tiny_site"] = module
    spec.loader.exec_module(module)
    site = module.Site().start()
    yield site
    site.stop()


@pytest.fixture
def measured() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def port(site: Any, measured: list[tuple[str, str]]) -> Iterator[GreenletPort]:
    port = GreenletPort(
        site.address,
        lambda name, _ms, _length, error, _server_ms: measured.append((name, type(error).__name__)),
    )
    yield port
    port.close()


def test_a_reply_comes_back_and_the_connection_is_kept(port: GreenletPort, site: Any, measured: Any) -> None:
    for _ in range(3):
        reply = run_to_end(port.call(RECOMMEND, REQUEST, timeout_ms=2000))
        assert reply.recommendation == "r-0-1"
    assert site.recommended == [REQUEST] * 3
    assert site.connections == 1
    assert measured == [("recommend", "NoneType")] * 3


def test_a_connection_closed_meanwhile_is_replaced(port: GreenletPort, site: Any) -> None:
    run_to_end(port.call(RECOMMEND, REQUEST, timeout_ms=2000))
    asyncio.run_coroutine_threadsafe(site._hang_up(), site._loop).result(5)
    gevent.sleep(0.05)
    run_to_end(port.call(RECOMMEND, REQUEST, timeout_ms=2000))
    assert site.connections == 2
    assert len(site.recommended) == 2


def test_errors_have_their_names(port: GreenletPort, site: Any, measured: Any) -> None:
    with pytest.raises(NotFound):
        run_to_end(port.call(SCRAPE, Empty(), timeout_ms=2000))
    site.delay_s = lambda: 5.0
    with pytest.raises(TimedOut):
        run_to_end(port.call(RECOMMEND, REQUEST, timeout_ms=50))
    site.delay_s = lambda: 0.0
    site.answer = lambda _path, _body: (200, {"nonsense": "1"})
    with pytest.raises(Failed):
        run_to_end(port.call(RECOMMEND, REQUEST, timeout_ms=2000))
    with pytest.raises(Unreachable):
        run_to_end(GreenletPort("127.0.0.1:1", lambda *_: None).call(SCRAPE, Empty(), timeout_ms=2000))
    assert [error for _, error in measured] == ["NotFound", "TimedOut", "ValidationError"]


def test_a_late_reply_is_not_taken_for_the_next_one(port: GreenletPort, site: Any) -> None:
    site.delay_s = lambda: 0.1
    with pytest.raises(TimedOut):
        run_to_end(port.call(RECOMMEND, REQUEST, timeout_ms=20))
    site.delay_s = lambda: 0.0
    other = RecommendRequest(view="0-2", customer=2, segment=3)
    gevent.sleep(0.15)
    assert run_to_end(port.call(RECOMMEND, other, timeout_ms=2000)).recommendation == "r-0-2"


def test_a_wait_that_does_not_block_is_refused() -> None:
    @types.coroutine
    def elsewhere() -> Generator[None, None, None]:
        yield

    async def wrong() -> None:
        await elsewhere()

    with pytest.raises(RuntimeError, match="does not block"):
        run_to_end(wrong())


def test_the_runtime_waits_for_its_origin_and_reports_what_breaks() -> None:
    from reference_stack.runtime import monotonic

    broken: list[BaseException] = []
    runtime = GreenletRuntime(0.1, on_lag=lambda *_: None, on_error=broken.append)
    reached: list[float] = []

    async def work() -> None:
        await runtime.until(0.5)
        reached.append(runtime.day())
        raise ValueError("broken")

    task = runtime.spawn(work())
    gevent.sleep(0.02)
    assert (reached, runtime.day(), task.done()) == ([], 0.0, False)
    runtime.start(monotonic())
    while not task.done():
        gevent.sleep(0.01)
    gevent.sleep(0)
    assert reached[0] >= 0.5
    assert [str(error) for error in broken] == ["broken"]
    runtime.close()


def test_timeouts_and_permits() -> None:
    runtime = GreenletRuntime(1.0, on_lag=lambda *_: None, on_error=lambda _: None)

    async def work() -> str:
        permits = runtime.semaphore(1)
        await permits.acquire()
        assert permits.locked()
        try:
            await runtime.timeout(0.01, permits.acquire())
        except TimeoutError:
            permits.release()
        await runtime.timeout(5.0, permits.acquire())
        return await runtime.blocking(lambda: "done", "shop.work")

    assert run_to_end(work()) == "done"


def test_a_calendar_that_is_moved_is_no_lag_and_moves_no_timer_that_is_set() -> None:
    from reference_stack.runtime import monotonic

    lags: list[tuple[float, float]] = []
    runtime = GreenletRuntime(1.0, on_lag=lambda *told: lags.append(told), on_error=lambda _: None)
    runtime.start(monotonic())
    woke: list[float] = []

    async def wait() -> None:
        await runtime.until(runtime.day() + 0.2)
        woke.append(monotonic())

    asked = monotonic()
    runtime.move_clock(3.0)
    task = runtime.spawn(wait())
    gevent.sleep(0.02)
    runtime.move_clock(0.0)  # the timer was set while the calendar was ahead
    gevent.sleep(0.02)
    runtime.move_clock(3.0)
    gevent.sleep(0.05)
    runtime.move_clock(0.0)
    with gevent.Timeout(5.0):
        while not task.done():
            gevent.sleep(0.01)
    assert 0.2 <= woke[0] - asked < 2.0
    assert all(late_days < 2.0 for late_days, _ in lags)  # by the machine, not by the calendar
    runtime.close()
