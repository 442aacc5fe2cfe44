"""Ctrl-C: the first stops, undoes and takes down, the second does so at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class StopSignal:
    """Set by the user's first Ctrl-C: stop, undo, tear down."""

    asked: bool = False
    why: str = "the user asked to stop"


def _nothing() -> None:
    """Nobody is told."""


@contextmanager
def on_signals(stop: StopSignal, told: Callable[[], object] = _nothing) -> Iterator[None]:
    """Set `stop` at the first Ctrl-C or SIGTERM, and say so; the second raises KeyboardInterrupt."""

    def ask(_number: int, _frame: object) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        told()

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
