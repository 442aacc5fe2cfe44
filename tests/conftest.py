"""What all tests share."""

from __future__ import annotations

import os

from chaos.drivers.blas import pins

# Before anything imports numpy: as the harness and the stack pin it for themselves. The user's cache folder stays
# in use: a warm-up that one test has lived through is there for all of them.
os.environ.update(pins())
