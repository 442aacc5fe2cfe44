"""Server-Timing (W3C): what the other end took of a call, so that the way can be told from the answer."""

from __future__ import annotations

NAME = b"server-timing"
FORM = b"total;dur=%.3f"


def server_ms_of(timing: bytes) -> float | None:
    """Milliseconds in such a header as the stack's servers write it; None for any other."""
    _, found, number = timing.partition(b"dur=")
    try:
        return float(number) if found else None
    except ValueError:
        return None
