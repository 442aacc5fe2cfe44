import asyncio
import threading

import pytest

from reference_stack.runtime import LagAccount, LiveRuntime, monotonic


class Lags:
    def __init__(self) -> None:
        self.said: list[tuple[float, float]] = []

    def __call__(self, lag_days: float, over_days: float) -> None:
        self.said.append((round(lag_days, 6), round(over_days, 6)))


def _account(lags: Lags, *timers: tuple[float, float]) -> list[tuple[float, float]]:
    account = LagAccount(lags)
    for due_day, day in timers:
        account.woke(due_day, day)
    return lags.said


def test_timers_in_time_are_no_lag() -> None:
    assert _account(Lags(), (1.0, 1.05), (2.0, 2.1), (3.0, 3.0)) == []


def test_a_short_spell_of_lag_is_not_reported() -> None:
    assert _account(Lags(), (1.0, 1.15), (1.2, 1.34), (1.4, 1.45), (1.5, 1.65)) == []


def test_one_timer_that_is_very_late_is_lag() -> None:
    assert _account(Lags(), (1.0, 1.5)) == [(0.5, 0.4)]


def test_a_long_spell_is_reported_again_as_it_goes_on() -> None:
    late = [(day / 20, day / 20 + 0.15) for day in range(20, 35)]
    assert _account(Lags(), *late) == [(0.15, 0.3), (0.15, 0.6)]


def test_a_spell_ends_with_a_timer_in_time() -> None:
    spell = [(1.0, 1.2), (1.1, 1.3), (1.15, 1.32)]
    more = [(due + 0.25, woke + 0.25) for due, woke in spell]
    assert _account(Lags(), *spell, (1.33, 1.33), *more) == []
    assert _account(Lags(), *spell, *more) == [(0.2, 0.35)]


def _run(work, day_seconds: float = 0.1, **told):
    async def main():
        runtime = LiveRuntime(
            day_seconds,
            on_lag=told.get("on_lag", lambda *_: None),
            on_error=told.get("on_error", pytest.fail),
            on_work=told.get("on_work", lambda *_: None),
        )
        try:
            return await work(runtime)
        finally:
            runtime.close()

    return asyncio.run(main())


def test_the_clock_stands_until_the_start_and_then_counts_from_the_origin() -> None:
    async def work(runtime: LiveRuntime) -> None:
        assert runtime.day() == 0.0
        await runtime.sleep(0.001)
        assert runtime.day() == 0.0
        runtime.start(monotonic() + 10.0)
        assert -100.0 < runtime.day() < -99.0
        assert runtime.now() == pytest.approx(runtime.day() * 0.1, abs=0.5)

    _run(work)


def test_until_waits_for_the_start_and_never_returns_early() -> None:
    async def work(runtime: LiveRuntime) -> None:
        waiting = asyncio.ensure_future(runtime.until(0.05))
        await runtime.sleep(0.02)
        assert not waiting.done()
        runtime.start(monotonic())
        await waiting
        assert runtime.day() >= 0.05
        await runtime.until(-1.0)

    _run(work)


def test_sleep_never_returns_early() -> None:
    async def work(runtime: LiveRuntime) -> None:
        for _ in range(20):
            before = monotonic()
            await runtime.sleep(0.0013)
            assert monotonic() - before >= 0.0013

    _run(work)


def test_work_that_takes_too_long_is_cancelled() -> None:
    async def work(runtime: LiveRuntime) -> str:
        with pytest.raises(TimeoutError):
            await runtime.timeout(0.001, asyncio.Event().wait())
        return await runtime.timeout(
            10.0, runtime.blocking(lambda: threading.current_thread().name, "any.work")
        )

    assert _run(work) != threading.main_thread().name


def test_a_task_that_breaks_is_told_and_the_others_end_with_the_runtime() -> None:
    told: list[BaseException] = []

    async def breaks() -> None:
        raise LookupError("lost")

    async def work(runtime: LiveRuntime):
        runtime.spawn(breaks())
        other = runtime.spawn(asyncio.Event().wait())
        await runtime.sleep(0.001)
        runtime.close()
        await runtime.sleep(0.001)
        return other

    assert _run(work, on_error=told.append).done()
    assert [str(error) for error in told] == ["lost"]


def test_a_blocked_loop_is_lag() -> None:
    lags = Lags()

    async def work(runtime: LiveRuntime) -> None:
        runtime.start(monotonic())
        await runtime.sleep(0.005)
        blocked = monotonic() + 0.1
        while monotonic() < blocked:
            pass
        await runtime.sleep(0.02)

    _run(work, on_lag=lags)
    assert lags.said
    assert all(lag_days > 0.1 and over_days > 0.25 for lag_days, over_days in lags.said)
