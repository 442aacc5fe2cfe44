"""What all arms of a seed start from, made beside the start of the workers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from chaos.domain.plan import ArmPlan
from chaos.domain.target import TargetSpec


@contextmanager
def made_ahead(spec: TargetSpec, first: ArmPlan, note: Callable[[str, int], object]) -> Iterator[None]:
    """While workers import, the target's own command makes what the first arms start from, if it has one.

    Nobody waits for it here: an arm waits for what it needs or makes it. `note` is told of the process, which
    ends at the end of this at the latest.
    """
    words = [sys.executable if word == "python" else word for word in spec.driver.ahead]
    if not words:
        yield
        return
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        [*words, "--world", first.world, "--seed", str(first.seed)], stdin=quiet, stdout=quiet, stderr=quiet
    )
    note("ahead", process.pid)
    try:
        yield
    finally:
        process.kill()
        process.wait()
