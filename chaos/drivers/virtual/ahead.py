"""What all arms of a seed start from, made beside the start of the workers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from chaos.domain.plan import ArmPlan
from chaos.domain.target import TargetSpec
from chaos.drivers.words import command_of


@contextmanager
def made_ahead(
    spec: TargetSpec,
    arms: Sequence[ArmPlan],
    note: Callable[[str, int], object],
    environment: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """While workers import, the target's own command, if there is one, makes what the first arm starts from.

    Nobody waits for it here: an arm waits for what it needs or makes it. `note` is told of the process, which
    ends at the end of this at the latest. `environment` is added to what it is started with.
    """
    words = command_of(spec.driver.ahead)
    if not words or not arms:
        yield
        return
    words += ["--world", arms[0].world, "--seed", str(arms[0].seed)]
    quiet = subprocess.DEVNULL
    env = {**os.environ, **(environment or {})}
    process = subprocess.Popen(words, stdin=quiet, stdout=quiet, stderr=quiet, env=env)
    note("ahead", process.pid)
    try:
        yield
    finally:
        process.kill()
        process.wait()
