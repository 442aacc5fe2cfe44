"""Reads that must not hold up the harness: each is asked for, done in a thread, and picked up later."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from chaos.errors import ArmFailed

T = TypeVar("T")


class Latest(Generic[T]):
    """The newest result of a slow read. Each `get` returns what is done and starts the next read."""

    def __init__(self, pool: ThreadPoolExecutor, read: Callable[[], T], day: Callable[[], float]) -> None:
        self._pool = pool
        self._read = read
        self._day = day
        self._running: Future[tuple[float, T] | None] | None = None
        self._done: tuple[float, T] | None = None

    def get(self, max_age_days: float) -> T | None:
        """The newest result, if it is not older than `max_age_days`."""
        if self._running is None or self._running.done():
            if self._running is not None:
                self._done = self._running.result() or self._done
            self._running = self._pool.submit(self._attempt)
        if self._done is None or self._day() - self._done[0] > max_age_days:
            return None
        return self._done[1]

    def _attempt(self) -> tuple[float, T] | None:
        try:
            value = self._read()
        except ArmFailed:
            return None
        return self._day(), value
