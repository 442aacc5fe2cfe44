from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from reference_stack.component import Component
from reference_stack.runtime import LiveRuntime, monotonic
from reference_stack.shells.live import _work, write_origin
from reference_stack.telemetry import Telemetry


class Slow(Component[Any]):
    """Prepares until it is let, and notes what it did."""

    def __init__(self, runtime: LiveRuntime) -> None:
        super().__init__("slow", runtime, Telemetry("slow", runtime, lambda _line: None), None, {}, "b")
        self.ready = False
        self.may = asyncio.Event()
        self.did: list[str] = []
        self.ran = asyncio.Event()

    async def prepare(self) -> None:
        self.did.append(f"prepared on day {self.runtime.day():g}")
        await self.may.wait()

    async def run(self) -> None:
        self.did.append("ran")
        self.ran.set()


def runtime() -> LiveRuntime:
    return LiveRuntime(1.0, on_lag=lambda *_: None, on_error=lambda _: None, on_work=lambda *_: None)


def test_a_component_is_ready_when_it_is_prepared_and_works_once_the_day_begins(tmp_path: Path) -> None:
    async def life() -> Slow:
        slow = Slow(runtime())
        work = asyncio.create_task(_work(slow, slow.runtime, tmp_path))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        assert not slow.ready
        slow.may.set()
        await asyncio.sleep(0)
        assert slow.ready
        assert slow.did == ["prepared on day 0"]
        write_origin(tmp_path, monotonic())
        async with asyncio.timeout(5):
            await slow.ran.wait()
            await work
        slow.runtime.close()  # type: ignore[attr-defined]
        return slow

    assert asyncio.run(life()).did == ["prepared on day 0", "ran"]


def test_one_that_is_started_later_answers_at_once(tmp_path: Path) -> None:
    write_origin(tmp_path, monotonic())

    async def life() -> Slow:
        slow = Slow(runtime())
        slow.ready = True
        await _work(slow, slow.runtime, tmp_path)  # type: ignore[arg-type]
        slow.runtime.close()  # type: ignore[attr-defined]
        return slow

    assert asyncio.run(life()).did == ["ran"]
