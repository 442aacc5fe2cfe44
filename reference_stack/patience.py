"""What a component that starts with all others does about a neighbour that does not answer yet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from reference_stack.ports import Runtime

PAUSE_SECONDS = 0.02
TRIES = 1000


async def patiently(runtime: Runtime, attempt: Callable[[], Awaitable[bool]]) -> bool:
    """Try until an attempt says that it went well, at most for `TRIES` pauses; whether one did."""
    for _ in range(TRIES):
        if await attempt():
            return True
        await runtime.sleep(PAUSE_SECONDS)
    return False
