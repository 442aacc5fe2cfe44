"""What all tests share."""

from __future__ import annotations

import os

# Before anything imports numpy: one BLAS thread, as the harness and the stack pin it for themselves. The user's
# cache folder stays in use: a warm-up that one test has lived through is there for all of them.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(_name, "1")
