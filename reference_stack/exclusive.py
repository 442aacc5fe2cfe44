"""Work that only one task of a component may be at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from reference_stack.ports import Semaphore


@asynccontextmanager
async def holding(permit: Semaphore) -> AsyncIterator[None]:
    """Wait for the permit, and give it back afterwards, whatever happens."""
    await permit.acquire()
    try:
        yield
    finally:
        permit.release()
