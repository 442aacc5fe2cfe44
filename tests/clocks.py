"""Clocks that tests move."""

from __future__ import annotations

from chaos.clock import WallClock


class ManualClock(WallClock):
    """A clock that stands until it is moved."""

    def __init__(self, now_s: float = 0.0) -> None:
        self.now_s = now_s

    def monotonic(self) -> float:
        return self.now_s
