"""Clocks: the only place of the harness that reads the machine's time or sleeps."""

from __future__ import annotations

import datetime
import time
from typing import Protocol


class Clock(Protocol):
    """Operational time of this machine, in seconds."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary origin, never going back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        ...

    def utc(self) -> datetime.datetime:
        """The date and time in UTC, for headers only."""
        ...


class WallClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        """Seconds of the machine's monotonic clock."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block the calling thread."""
        time.sleep(max(0.0, seconds))

    def utc(self) -> datetime.datetime:
        """The date and time in UTC."""
        return datetime.datetime.now(datetime.UTC)
