"""Processes that are of no use without the one that made them, whatever that died of."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

RUNNER = "MLCHAOS_RUNNER"
"""Of the environment of the process that workers are forked from: its runner."""
_PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Have this process killed when `parent` ends, whose child it is; at once where that has ended already.

    By the kernel, where that can do it (Linux): a process that hangs, or waits for its next task, looks at
    nothing itself.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
