"""How numeric programs are pinned: so that small fits are fast, and sums come out the same."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def pins() -> Mapping[str, str]:
    """Environment of a process before it imports numpy: one BLAS thread, and one kernel for all machines of a
    family. What the user has set stays.
    """
    wanted = dict.fromkeys(_THREADS, "1")
    if platform.machine() in ("x86_64", "AMD64"):
        wanted["OPENBLAS_CORETYPE"] = "Haswell"
    return {name: os.environ.get(name, value) for name, value in wanted.items()}
