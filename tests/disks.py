"""Disks that are in a bad way."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

TAKEN_BYTES = 10


@contextmanager
def full_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The disk takes the first few bytes of what is written, and then nothing."""
    real, taken = os.write, False

    def write(file: int, data: bytes) -> int:
        nonlocal taken
        if taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = True
        return real(file, bytes(data)[:TAKEN_BYTES])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        yield
