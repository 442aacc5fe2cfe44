"""A file of whole lines: what a full disk, or a writer that died, left of one is cut off before the next."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

_BLOCK_BYTES = 1 << 16


class LineFile:
    """A file that lines are only ever added to, each in one write where the disk takes it whole.

    Raises OSError where it cannot be opened, FileExistsError where it is to be `new` and is there already.
    """

    def __init__(self, path: Path, *, new: bool = False) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | (os.O_EXCL if new else 0)
        self._file = os.open(path, flags, 0o644)
        self._whole_bytes, size_bytes = _measure(self._file)
        self._torn = self._whole_bytes < size_bytes

    def append(self, line: bytes, *, sync: bool = False) -> None:
        """Add one line, given without its end; with `sync` it is on the disk afterwards. Raises OSError."""
        rest = memoryview(line + b"\n")
        size_bytes = len(rest)
        if self._torn:
            os.ftruncate(self._file, self._whole_bytes)
        self._torn = True
        while rest:  # a disk that is nearly full takes a part
            rest = rest[os.write(self._file, rest) :]
        if sync:
            os.fsync(self._file)
        self._torn = False
        self._whole_bytes += size_bytes

    def sha256(self) -> str:
        """The SHA-256 of all whole lines, as hexadecimal digits. Raises OSError."""
        digest = hashlib.sha256()
        for start in range(0, self._whole_bytes, _BLOCK_BYTES):
            digest.update(os.pread(self._file, min(_BLOCK_BYTES, self._whole_bytes - start), start))
        return digest.hexdigest()

    def sync(self) -> None:
        """Wait until what was added is on the disk. Raises OSError."""
        os.fsync(self._file)

    def close(self) -> None:
        """Let go of the file; doing it twice does no harm."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _measure(file: int) -> tuple[int, int]:
    """The bytes of a file's whole lines, and of all of it; (0, 0) for a device."""
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode):
        return 0, 0
    end = status.st_size
    while end > 0:
        start = max(0, end - _BLOCK_BYTES)
        newline = os.pread(file, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1, status.st_size
        end = start
    return 0, status.st_size
